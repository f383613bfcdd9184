"""``python -m kinetype``: the ``kinetype`` command; in a checkout ``-m backend`` too."""

from __future__ import annotations

import sys

from .cli.main import main

if __name__ == "__main__":
    sys.exit(main())

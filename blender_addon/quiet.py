"""Blender's lines about every frame kept off the terminal of programs that render many."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

COMPLAINT = re.compile(r"\b(?:error|warning|failed|cannot|fatal)\b", re.IGNORECASE)


@contextmanager
def quiet_blender(say: Callable[[str], None]) -> Iterator[None]:
    """Keep Blender's lines about every frame off the terminal, apart from errors and warnings.

    Blender writes them to file descriptor 1 from C. When the work fails, all of them are shown.
    """
    sys.stdout.flush()
    failed = True
    with tempfile.TemporaryFile() as log:
        own = os.dup(1)
        os.dup2(log.fileno(), 1)
        try:
            yield
            failed = False
        except KeyboardInterrupt:
            failed = False
            raise
        finally:
            sys.stdout.flush()
            os.dup2(own, 1)
            os.close(own)
            log.seek(0)
            for line in log.read().decode("utf-8", "replace").splitlines():
                if failed or COMPLAINT.search(line):
                    say(f"  blender: {line}")

"""Kinetype backend: text-to-motion models, representations and evaluation.

Importing this package costs nothing: it must never import torch or numpy. Installed, it is called
``kinetype``; in a checkout its folder is ``backend`` (:mod:`.import_name`).
"""

from __future__ import annotations

from .import_name import share

__version__ = "0.1.0"

share(__name__)

"""Kinetype backend: text-to-motion models, representations and evaluation.

Importing this package costs nothing: it must never import torch or numpy.
"""

__version__ = "0.1.0"

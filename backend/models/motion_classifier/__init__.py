"""A small convolutional classifier: which action a motion shows."""

from __future__ import annotations

from .inputs import MAX_FRAMES, MIN_FRAMES, base, from_motion135
from .network import MotionClassifier, Prediction, collate, load, predict, save

__all__ = [
    "MAX_FRAMES",
    "MIN_FRAMES",
    "MotionClassifier",
    "Prediction",
    "base",
    "collate",
    "from_motion135",
    "load",
    "predict",
    "save",
]

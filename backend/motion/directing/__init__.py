"""Poses, hands, feet and paths that a motion shall reach: read, measured, and brought about."""

from __future__ import annotations

from .correction import corrected
from .report import reports, sentence
from .targets import Path, Pin, Pose, Target, targets_of

__all__ = ["Path", "Pin", "Pose", "Target", "corrected", "reports", "sentence", "targets_of"]

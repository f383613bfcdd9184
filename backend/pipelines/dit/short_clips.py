"""Very short motions: made longer than asked for, and cut to their liveliest stretch.

A model that has hardly seen clips of a second cannot fit an action into one: kicks and bows stay
half begun. Made at a length that it knows, they are whole, and what is asked for is in the middle.
"""

from __future__ import annotations

import numpy as np

from ...motion.representations import motion135, smplrifke205

SHORT_SECONDS = 2.0
"""Requests below this are cut from a longer motion."""
MADE_SECONDS = 3.0
"""The length that is made for them."""


def frames_to_make(frames: int, fps: float, longest: int) -> int:
    """How many frames to sample for ``frames`` asked for; never more than ``longest``."""
    if frames >= SHORT_SECONDS * fps:
        return frames
    return max(frames, min(round(MADE_SECONDS * fps), longest))


def liveliest(features: np.ndarray, frames: int, fps: float) -> np.ndarray:
    """The stretch of ``frames`` frames of smplrifke205 ``[T, 205]`` in which joints move most."""
    if len(features) <= frames:
        return features
    joints = motion135.joints(smplrifke205.to_motion135(features, fps))
    speed = np.linalg.norm(np.diff(joints, axis=0), axis=-1).mean(axis=1)
    path = np.concatenate([[0.0], np.cumsum(speed)])
    start = int((path[frames - 1 :] - path[: len(path) - frames + 1]).argmax())
    return features[start : start + frames]

"""Where the palms look: fingers tell how far forearm and hand are rolled at rest."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...wire.skeleton import JOINT_NAMES
from .. import quaternions
from .names import read_names
from .presets import Rig
from .skeleton import Skeleton
from .stance import SIDES, neutral

_THUMB_SIDE = ("index",)
_OTHER_SIDE = ("pinky", "pinkie", "little", "ring")
_LARGEST = 120.0
"""Degrees: hands are not rolled further, so such fingers were misread."""
_FORWARD = np.array([0.0, 0.0, 1.0])
"""Where the thumbs of SMPL's T-pose point: its palms look down."""


def palm_rolls(
    skeleton: Skeleton,
    rig: Rig,
    basis: np.ndarray,
    own: Mapping[str, np.ndarray],
    limbs: np.ndarray,
) -> dict[str, np.ndarray]:
    """For each side whose fingers are known, the turn ``[4]`` about the forearm of the T-pose that
    makes the palm look down."""
    names = read_names(skeleton.names)
    theirs, rolls = neutral(), {}
    for side in SIDES:
        if f"{side}_wrist" not in rig.bones or f"{side}_elbow" not in own:
            continue
        wrist = skeleton.index[rig.bones[f"{side}_wrist"]]
        first, other = _knuckles(skeleton, names, wrist)
        if first is None or other is None:
            continue
        turn = limbs[JOINT_NAMES.index(f"{side}_wrist")]
        across = quaternions.rotate(turn, (first - other) @ basis)
        axis = theirs[f"{side}_wrist"] - theirs[f"{side}_elbow"]
        axis = axis / np.linalg.norm(axis)
        now, wanted = (v - (v @ axis) * axis for v in (across, _FORWARD))
        if np.linalg.norm(now) < 0.3 * np.linalg.norm(across):
            continue
        angle = np.arctan2(np.cross(now, wanted) @ axis, now @ wanted)
        if abs(np.degrees(angle)) < _LARGEST:
            rolls[side] = np.array([np.cos(angle / 2), *(np.sin(angle / 2) * axis)])
    return rolls


def _knuckles(
    skeleton: Skeleton, names: list, wrist: int
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Where the first finger begins, and one of the last two."""
    below = sorted(skeleton.below(wrist), key=lambda b: len(skeleton.chains[b]))

    def begin(words: tuple[str, ...]) -> np.ndarray | None:
        for word in words:
            for bone in below:
                if word in names[bone].words:
                    return skeleton.heads[bone]
        return None

    first, other = begin(_THUMB_SIDE), begin(_OTHER_SIDE)
    if first is None:
        thumb, middle = begin(("thumb",)), begin(("middle", "mid", "finger"))
        if thumb is not None and middle is not None:
            return thumb, middle
    return first, other

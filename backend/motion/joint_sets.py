"""Names for sets of joints: what an editor keeps or makes anew."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..errors import InvalidRequest
from .skeleton import JOINT_NAMES, NUM_JOINTS, PARENTS

_LEFT_LEG, _RIGHT_LEG = (
    tuple(f"{side}_{name}" for name in ("hip", "knee", "ankle", "foot"))
    for side in ("left", "right")
)
_LEFT_ARM, _RIGHT_ARM = (
    tuple(f"{side}_{name}" for name in ("collar", "shoulder", "elbow", "wrist"))
    for side in ("left", "right")
)
_SPINE, _HEAD = ("spine1", "spine2", "spine3"), ("neck", "head")

BODY_PARTS: dict[str, tuple[str, ...]] = {
    "lower": ("pelvis", *_LEFT_LEG, *_RIGHT_LEG),
    "upper": (*_SPINE, *_HEAD, *_LEFT_ARM, *_RIGHT_ARM),
    "legs": (*_LEFT_LEG, *_RIGHT_LEG),
    "arms": (*_LEFT_ARM, *_RIGHT_ARM),
    "left_leg": _LEFT_LEG,
    "right_leg": _RIGHT_LEG,
    "left_arm": _LEFT_ARM,
    "right_arm": _RIGHT_ARM,
    "spine": _SPINE,
    "head": _HEAD,
}
"""Joints of each part. ``lower`` is MDM's: the legs and the pelvis, which carries the path."""


def joint_mask(names: str | Iterable[str]) -> np.ndarray:
    """``[22]`` bool of parts and joints: one name, or several, or a comma-separated list.

    ``head`` means neck and head; every other SMPL joint name means that joint.

    Raises:
        InvalidRequest: a name that is neither a part nor a joint.
    """
    wanted = names.split(",") if isinstance(names, str) else list(names)
    mask = np.zeros(NUM_JOINTS, dtype=bool)
    for name in (n.strip().lower().replace("-", "_") for n in wanted):
        if name not in BODY_PARTS and name not in JOINT_NAMES:
            raise InvalidRequest(
                f"There is no body part or joint {name!r}.",
                f"Use {', '.join(BODY_PARTS)}, or joints: {', '.join(JOINT_NAMES)}.",
            )
        mask[[JOINT_NAMES.index(joint) for joint in BODY_PARTS.get(name, (name,))]] = True
    return mask


def chains_inside(mask: np.ndarray) -> np.ndarray:
    """Joints of ``mask [22]`` whose ancestors, the pelvis aside, are all in it too.

    The place of such a joint is fixed to the pelvis.
    """
    fixed = np.zeros_like(mask)
    for joint, parent in enumerate(PARENTS):
        fixed[joint] = mask[joint] and (parent <= 0 or fixed[parent])
    return fixed

"""Between Kimodo's skeletons and motion_135: world rotations are taken over, the rest adapted.

Both bodies rest in a T-pose with all rotations zero, so a joint's world rotation means nearly the
same on both. Thighs, shins, upper arms and forearms point the same way exactly (each is turned by
the small angle between the two bodies' rest directions); the path scales with the length of the
legs, and standing height maps to standing height.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ..wire.skeleton import SOLE_HEIGHT
from .representations import motion135
from .representations.kimodo_skeletons import KimodoSkeleton, skeleton
from .rotations import shortest_arc
from .skeleton import (
    PARENTS,
    forward_kinematics,
    global_rotations,
    joint_index,
    local_rotations_from_global,
    rest_offsets,
)

_LIMBS = {
    "hip": "knee",
    "knee": "ankle",
    "shoulder": "elbow",
    "elbow": "wrist",
}
_SOLES = {"soma30": 0.02, "smplx22": 0.007}
"""Height of the lowest rest joint above the ground, metres, as the models were trained."""


@cache
def _corrections(name: str) -> np.ndarray:
    """``[22, 3, 3]``: turn each SMPL rest limb to the direction of the other body's."""
    bones, rest = skeleton(name), rest_offsets()
    out = np.tile(np.eye(3), (len(PARENTS), 1, 1))
    for side in ("left", "right"):
        for start, end in _LIMBS.items():
            joint, child = joint_index(f"{side}_{start}"), joint_index(f"{side}_{end}")
            theirs = bones.neutral[bones.smpl[child]] - bones.neutral[bones.smpl[joint]]
            out[joint] = shortest_arc(rest[child][None], theirs[None])[0]
    return out


@cache
def _measures(name: str) -> tuple[float, float, float]:
    """Leg length of ours over theirs; standing pelvis height of theirs and of ours, metres."""
    bones, rest = skeleton(name), rest_offsets()
    own = forward_kinematics(np.tile(np.eye(3), (22, 1, 1)), np.zeros(3), rest)
    leg = own[joint_index("left_hip"), 1] - own[joint_index("left_ankle"), 1]
    theirs = _SOLES[name] - bones.neutral[:, 1].min()
    return float(leg / bones.leg_length), float(theirs), float(SOLE_HEIGHT - own[:, 1].min())


def scale_of(bones: KimodoSkeleton) -> float:
    """Lengths of motion_135 over those of a Kimodo body: its path is so much longer or shorter."""
    return _measures(bones.name)[0]


def to_motion135(
    world: np.ndarray, root: np.ndarray, bones: KimodoSkeleton
) -> tuple[np.ndarray, float]:
    """motion_135 ``[T, 135]`` float32, and its mean joint error in metres.

    The error is the distance between the joints and those of the given body scaled to the same
    leg length, both seen from the pelvis: it is the difference of the two bodies' proportions.

    Args:
        world: ``[T, J, 3, 3]`` world rotations; root: ``[T, 3]`` pelvis on the ground y = 0.
    """
    scale, theirs, ours = _measures(bones.name)
    turned = world[:, list(bones.smpl)] @ _corrections(bones.name)
    place = root * scale
    place[:, 1] = (root[:, 1] - theirs) * scale + ours
    local = local_rotations_from_global(turned)
    made = forward_kinematics(local, place)
    wanted = bones.positions(world, root)[:, list(bones.smpl)] * scale
    apart = (made - made[:, :1]) - (wanted - wanted[:, :1])
    error = float(np.linalg.norm(apart, axis=-1).mean())
    return motion135.pack(place, local).astype(np.float32), error


def from_motion135(x: np.ndarray, bones: KimodoSkeleton) -> tuple[np.ndarray, np.ndarray]:
    """World rotations ``[T, J, 3, 3]`` and pelvis ``[T, 3]`` of motion_135: the way back.

    Joints that SMPL lacks (eyes, jaw, second neck joint, finger ends) turn with their parents.
    """
    root, local = motion135.unpack(np.asarray(x, dtype=np.float64))
    turned = global_rotations(local) @ _corrections(bones.name).swapaxes(-1, -2)
    world = np.empty((len(x), bones.count, 3, 3))
    known = {joint: index for index, joint in enumerate(bones.smpl)}
    for joint, parent in enumerate(bones.parents):
        world[:, joint] = turned[:, known[joint]] if joint in known else world[:, parent]
    return world, in_its_room(root, bones)


def in_its_room(points: np.ndarray, bones: KimodoSkeleton) -> np.ndarray:
    """Points ``[..., 3]`` of a room of motion_135 where the larger or smaller body sees them."""
    scale, theirs, ours = _measures(bones.name)
    place = np.asarray(points, dtype=np.float64) / scale
    place[..., 1] = (points[..., 1] - ours) / scale + theirs
    return place

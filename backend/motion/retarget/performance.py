"""A motion on a body in one call: resampled, performed, its feet planted."""

from __future__ import annotations

import numpy as np

from .body import Body
from .keys import BoneKeys, Pose, joint_places, keys_of, perform, sampled, unpack
from .planting import plant_feet
from .touching import touch

_FLAT = [0, 2]


def performed(
    body: Body,
    motion: np.ndarray,
    source_fps: float,
    target_fps: float,
    *,
    feet: float = 0.0,
    here: bool = False,
    where: np.ndarray | None = None,
    lock: bool = False,
    hands: float = 0.0,
) -> Pose:
    """What a body does when it performs a motion.

    Args:
        motion: ``[T, 135]`` motion_135 at ``source_fps``.
        target_fps: of the rows of the result, whole or not.
        feet: how firmly standing feet are held on the floor and in place, 0 to 1.
        here: begin where the body stands, wherever the motion's first frame lies.
        where: ``[T']`` weights of the frames whose feet may be changed.
        lock: a standing foot does not move at all, whatever it does in the motion.
        hands: how firmly hands that touch the body in the motion touch it on this one, 0 to 1.

    Raises:
        FormatError: wrong shape, or values that are not finite.
    """
    root, local = sampled(*unpack(motion), source_fps, target_fps)
    if here:
        root = root.copy()
        root[:, _FLAT] -= root[0, _FLAT]
    pose = perform(body, root, local)
    pose = plant_feet(body, pose, root, local, target_fps, feet, where, lock)
    return touch(body, pose, root, local, target_fps, hands)


def to_bone_keys(
    body: Body,
    motion: np.ndarray,
    source_fps: float,
    target_fps: float,
    *,
    feet: float = 0.0,
    here: bool = False,
    where: np.ndarray | None = None,
    lock: bool = False,
) -> BoneKeys:
    """Keyframe values of :func:`performed`."""
    pose = performed(
        body, motion, source_fps, target_fps, feet=feet, here=here, where=where, lock=lock
    )
    return keys_of(body, pose, target_fps)


def joint_path(
    body: Body,
    motion: np.ndarray,
    source_fps: float,
    target_fps: float,
    *,
    feet: float = 0.0,
    here: bool = False,
) -> np.ndarray:
    """Where the joints pass: ``[T', 22, 3]`` in the skeleton's space."""
    return joint_places(body, performed(body, motion, source_fps, target_fps, feet=feet, here=here))

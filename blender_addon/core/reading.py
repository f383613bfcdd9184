"""Keyframe values back to motion_135: the inverse of :mod:`retarget`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..backend_access import MOTION_DIM, NUM_JOINTS, PARENTS, ROOT_COLUMNS, ROT6D_COLUMNS
from . import quaternions
from .axes import measure_basis
from .retarget import RestPose, root_from_armature


def from_bone_keys(rotations: np.ndarray, root_location: np.ndarray, rest: RestPose) -> np.ndarray:
    """What an armature performs, as motion_135.

    Args:
        rotations: ``[T, 22, 4]`` quaternions in each bone's own rest frame.
        root_location: ``[T, 3]`` location of the pelvis bone.
        rest: rest pose of the armature's SMPL bones.

    Returns:
        ``[T, 135]`` float32 at the rate of the rows; ``retarget.to_bone_keys`` of it gives the
        same keys again.
    """
    basis = measure_basis(rest.heads)
    change = quaternions.from_matrix(np.swapaxes(rest.rotations, -1, -2) @ basis)
    keys = quaternions.normalise(np.asarray(rotations, np.float64))
    local = quaternions.multiply(quaternions.multiply(quaternions.conjugate(change), keys), change)
    local = to_rest(along_parents(local, rest.turned_by), rest.limb_turns)
    delta = np.asarray(root_location, np.float64)
    if rest.local_location:
        delta = delta @ rest.rotations[0].T
    motion = np.empty((len(keys), MOTION_DIM), np.float32)
    motion[:, ROOT_COLUMNS] = root_from_armature(rest.heads[0] + delta, rest.heads, basis)
    motion[:, ROT6D_COLUMNS] = quaternions.to_rot6d(local).reshape(len(keys), NUM_JOINTS * 6)
    return motion


def along_parents(local: np.ndarray, turned_by: Sequence[int]) -> np.ndarray:
    """Rotations ``[T, 22, 4]`` against other bones as against SMPL's parents."""
    if tuple(turned_by) == tuple(PARENTS):
        return local
    whole: list[np.ndarray] = []
    for joint, by in enumerate(turned_by):
        own = local[:, joint]
        whole.append(own if by < 0 else quaternions.multiply(whole[by], own))
    turns = [whole[0]]
    for joint, parent in enumerate(PARENTS[1:], start=1):
        turns.append(quaternions.multiply(quaternions.conjugate(whole[parent]), whole[joint]))
    return np.stack(turns, axis=1)


def to_rest(local: np.ndarray, limbs: np.ndarray) -> np.ndarray:
    """Rotations away from an armature's rest pose as away from SMPL's T-pose: undoes ``from_rest``.

    Args:
        local: ``[T, 22, 4]`` parent-relative. limbs: ``[22, 4]`` of ``retarget.limb_turns``.
    """
    after = limbs[list(PARENTS)]
    after[0] = quaternions.conjugate(limbs[0])
    return quaternions.multiply(quaternions.multiply(after, local), quaternions.conjugate(limbs))

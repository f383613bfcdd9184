"""Keyframe values or poses back to motion_135: the inverse of :mod:`retarget`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..backend_access import MOTION_DIM, NUM_JOINTS, PARENTS, ROOT_COLUMNS, ROT6D_COLUMNS
from . import quaternions
from .axes import measure_basis
from .retarget import RestPose, mover_offset, root_from_armature


def from_bone_keys(rotations: np.ndarray, root_location: np.ndarray, rest: RestPose) -> np.ndarray:
    """What an armature performs, as motion_135.

    Args:
        rotations: ``[T, 22, 4]`` quaternions in each bone's own rest frame.
        root_location: ``[T, 3]`` location of the bone of ``rest.mover``.
        rest: rest pose of the armature's SMPL bones.

    Returns:
        ``[T, 135]`` float32 at the rate of the rows; ``retarget.to_bone_keys`` of it gives the
        same keys again.
    """
    basis = measure_basis(rest.heads)
    change = quaternions.from_matrix(np.swapaxes(rest.rotations, -1, -2) @ basis)
    keys = quaternions.normalise(np.asarray(rotations, np.float64))
    local = quaternions.multiply(quaternions.multiply(quaternions.conjugate(change), keys), change)
    local = along_parents(local, rest.turned_by)
    delta = np.asarray(root_location, np.float64)
    if rest.local_location:
        delta = delta @ rest.rotations[rest.mover].T
    position = rest.moved_from + delta - mover_offset(local, rest, basis)
    return _motion(local, position, rest, basis)


def from_pose(turns: np.ndarray, pelvis: np.ndarray, rest: RestPose) -> np.ndarray:
    """What an armature shows, as motion_135: for poses that were not made with the keyed bones.

    Args:
        turns: ``[T, 22, 4]`` how far each joint's bone is turned from rest, in armature space.
        pelvis: ``[T, 3]`` where the pelvis is, in armature space.
        rest: rest pose of the armature's SMPL bones.

    Returns:
        ``[T, 135]`` float32 at the rate of the rows.
    """
    basis = measure_basis(rest.heads)
    change = quaternions.from_matrix(basis)
    turned = quaternions.normalise(np.asarray(turns, np.float64))
    whole = quaternions.multiply(
        quaternions.multiply(quaternions.conjugate(change), turned), change
    )
    local = whole.copy()
    above = quaternions.conjugate(whole[:, list(PARENTS[1:])])
    local[:, 1:] = quaternions.multiply(above, whole[:, 1:])
    return _motion(local, np.asarray(pelvis, np.float64), rest, basis)


def _motion(
    local: np.ndarray, position: np.ndarray, rest: RestPose, basis: np.ndarray
) -> np.ndarray:
    """motion_135 of rotations away from the armature's rest pose and positions of the pelvis."""
    local = to_rest(local, rest.limb_turns)
    motion = np.empty((len(local), MOTION_DIM), np.float32)
    motion[:, ROOT_COLUMNS] = root_from_armature(position, local[:, 0], rest, basis)
    motion[:, ROT6D_COLUMNS] = quaternions.to_rot6d(local).reshape(len(local), NUM_JOINTS * 6)
    return motion


def along_parents(local: np.ndarray, turned_by: Sequence[int]) -> np.ndarray:
    """Rotations ``[T, 22, 4]`` against other bones as against SMPL's parents."""
    if tuple(turned_by) == tuple(PARENTS):
        return local
    whole: dict[int, np.ndarray] = {}

    def turn_of(joint: int) -> np.ndarray:
        if joint not in whole:
            by, own = turned_by[joint], local[:, joint]
            whole[joint] = own if by < 0 else quaternions.multiply(turn_of(by), own)
        return whole[joint]

    turns = [turn_of(0)]
    for joint, parent in enumerate(PARENTS[1:], start=1):
        turns.append(quaternions.multiply(quaternions.conjugate(turn_of(parent)), turn_of(joint)))
    return np.stack(turns, axis=1)


def to_rest(local: np.ndarray, limbs: np.ndarray) -> np.ndarray:
    """Rotations away from an armature's rest pose as away from SMPL's T-pose: undoes ``from_rest``.

    Args:
        local: ``[T, 22, 4]`` parent-relative. limbs: ``[22, 4]`` of ``retarget.limb_turns``.
    """
    after = limbs[list(PARENTS)]
    after[0] = quaternions.conjugate(limbs[0])
    return quaternions.multiply(quaternions.multiply(after, local), quaternions.conjugate(limbs))

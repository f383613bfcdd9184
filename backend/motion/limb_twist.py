"""The twist of upper arms, told by the elbows that they carry.

Positions do not say how far a bone is turned about itself, and the shortest arc leaves an upper arm
untwisted however the elbow bends. But the elbow is a hinge: the plane in which it bends tells where
the upper arm points that hinge. So the upper arm is turned about itself until the hinge lies in
that plane, and the forearm is laid anew on its direction by the shortest arc. No joint moves.

An elbow counts from 10 to 30 degrees of bend on, and not where it seems to bend backwards; frames
in between take the turn from those around them, so that nothing flips. Legs are left alone: SMPL's
rest knees are bent by six degrees, thighs hardly twist, and the same rule made them worse on motion
capture that was fitted to SMPL.
"""

from __future__ import annotations

import numpy as np

from .filters import gaussian_filter1d
from .rotations import axis_angle_to_matrix, shortest_arc, transpose
from .skeleton import joint_index, rest_offsets

_BEND = np.deg2rad([10.0, 30.0])  # of the elbow: below the first no turn, above the second all
_BACKWARDS = np.deg2rad([110.0, 140.0])  # the same for the wanted turn, the other way round
_LARGEST = np.deg2rad(110.0)  # what a shoulder can do
_REACH = 2.5  # frames (standard deviation)
_LOOSE = 0.05  # how firmly an arm that nobody knows about returns to no twist

_ARMS = (("left", (0.0, -1.0, 0.0)), ("right", (0.0, 1.0, 0.0)))
"""Side, and the axis about which its elbow bends in the T-pose."""


def hinge_twist(local_rotations: np.ndarray, offsets: np.ndarray | None = None) -> np.ndarray:
    """Rotations with the same joint positions and upper arms turned to their elbows.

    Args:
        local_rotations: ``[T, 22, 3, 3]`` parent-relative, one clip in its order.
        offsets: ``[22, 3]`` rest offsets; the neutral skeleton when omitted.

    Returns:
        ``[T, 22, 3, 3]`` of the same dtype; shoulders and elbows changed.
    """
    offsets = rest_offsets() if offsets is None else np.asarray(offsets, dtype=np.float64)
    out = np.array(local_rotations, dtype=np.float64)
    for side, axis in _ARMS:
        shoulder, elbow, wrist = (
            joint_index(f"{side}_{name}") for name in ("shoulder", "elbow", "wrist")
        )
        bone, forearm = (v / np.linalg.norm(v) for v in (offsets[elbow], offsets[wrist]))
        below = (out[:, elbow] @ forearm[:, None])[..., 0]  # in the frame of the upper arm
        turn = axis_angle_to_matrix(_turn(bone, np.array(axis), below)[:, None] * bone)
        out[:, shoulder] = out[:, shoulder] @ turn
        out[:, elbow] = shortest_arc(forearm, (transpose(turn) @ below[..., None])[..., 0])
    return out.astype(local_rotations.dtype)


def _turn(bone: np.ndarray, axis: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Angle ``[T]`` about ``bone`` that brings the hinge ``axis`` to where ``below`` bends."""
    axis = axis - bone * (bone @ axis)
    axis /= np.linalg.norm(axis)
    normal = np.cross(bone, below)
    bend = np.arctan2(np.linalg.norm(normal, axis=-1), below @ bone)
    turn = np.arctan2(np.cross(axis, normal) @ bone, normal @ axis)
    known = _fade(bend, *_BEND) * (1.0 - _fade(np.abs(turn), *_BACKWARDS))
    # frames that know it tell those around them
    told, heard = (gaussian_filter1d(a, _REACH) for a in (known * turn, known))
    return np.asarray(np.clip(told / (heard + _LOOSE), -_LARGEST, _LARGEST))


def _fade(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below ``low``, 1 above ``high``, smooth between."""
    ramp = np.clip((value - low) / (high - low), 0.0, 1.0)
    return np.asarray(ramp * ramp * (3.0 - 2.0 * ramp))

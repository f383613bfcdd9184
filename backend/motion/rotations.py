"""Rotation conversions on arrays of any leading shape.

Conventions: right-handed, active rotations of column vectors; a joint's matrix maps local
coordinates to its parent's. Quaternions are ``(w, x, y, z)``. Axis-angle vectors are in radians.
Every function takes numpy arrays or torch tensors unless it says "numpy only", keeps dtype and is
vectorised over the leading axes.

Three layouts are called "6D" in the field and all three are valid rotations when misread, so each
has its own pair of functions here (Zhou et al., "On the Continuity of Rotation Representations in
Neural Networks", CVPR 2019):

=============  ============================  =======================================
layout         vector                        used by
=============  ============================  =======================================
column         R00 R10 R20 R01 R11 R21       HumanML3D-263, MotionCLIP-135
interleaved    R00 R01 R10 R11 R20 R21       motion_135 ("row-major" to its authors)
rows           R00 R01 R02 R10 R11 R12       MS272, smplrifke205
=============  ============================  =======================================
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any  # np.ndarray or torch.Tensor; torch is never imported here


def _is_torch(x: Array) -> bool:
    return type(x).__module__.startswith("torch")


def _lib(x: Array) -> Any:
    """The array module of ``x``: torch only if the caller already brought a tensor."""
    if _is_torch(x):
        import torch

        return torch
    return np


def _stack(parts: list[Array], axis: int = -1) -> Array:
    lib = _lib(parts[0])
    return lib.stack(parts, dim=axis) if _is_torch(parts[0]) else np.stack(parts, axis=axis)


def _norm(x: Array, floor: float) -> Array:
    """Length over the last axis, kept as an axis, never below ``floor``."""
    length = (x * x).sum(-1)[..., None] ** 0.5
    return length.clamp_min(floor) if _is_torch(x) else np.maximum(length, floor)


def _cross(a: Array, b: Array) -> Array:
    return _stack(
        [
            a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1],
            a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2],
            a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0],
        ]
    )


def transpose(matrix: Array) -> Array:
    """Swap the last two axes: the inverse of rotation matrices ``[..., 3, 3]``."""
    return matrix.transpose(-1, -2) if _is_torch(matrix) else np.swapaxes(matrix, -1, -2)


# --------------------------------------------------------------------------- rot6d


def _orthonormal_pair(a: Array, b: Array, floor: float) -> tuple[Array, Array, Array]:
    """Gram-Schmidt that keeps the direction of ``a`` and the half-plane of ``b``."""
    first = a / _norm(a, floor)
    second = b - (first * b).sum(-1)[..., None] * first
    second = second / _norm(second, floor)
    return first, second, _cross(first, second)


def matrix_to_rot6d_column(matrix: Array) -> Array:
    """``[..., 3, 3]`` -> ``[..., 6]`` = first column, then second column."""
    return _flatten6(_stack([matrix[..., :, 0], matrix[..., :, 1]], -2))


def rot6d_column_to_matrix(rot6d: Array) -> Array:
    """``[..., 6]`` (first column, second column) -> ``[..., 3, 3]`` by Gram-Schmidt."""
    x, y, z = _orthonormal_pair(rot6d[..., :3], rot6d[..., 3:], 1e-6)
    return _stack([x, y, z], -1)


def matrix_to_rot6d_interleaved(matrix: Array) -> Array:
    """``[..., 3, 3]`` -> ``[..., 6]`` = the 3x2 block of the first two columns, row by row."""
    return _flatten6(matrix[..., :, :2])


def rot6d_interleaved_to_matrix(rot6d: Array) -> Array:
    """``[..., 6]`` (motion_135 layout) -> ``[..., 3, 3]`` by Gram-Schmidt."""
    x, y, z = _orthonormal_pair(rot6d[..., 0::2], rot6d[..., 1::2], 1e-6)
    return _stack([x, y, z], -1)


def matrix_to_rot6d_rows(matrix: Array) -> Array:
    """``[..., 3, 3]`` -> ``[..., 6]`` = first row, then second row (MS272, smplrifke205)."""
    return _flatten6(matrix[..., :2, :])


def rot6d_rows_to_matrix(rot6d: Array) -> Array:
    """``[..., 6]`` (first row, second row) -> ``[..., 3, 3]`` by Gram-Schmidt."""
    x, y, z = _orthonormal_pair(rot6d[..., :3], rot6d[..., 3:], 1e-12)
    return _stack([x, y, z], -2)


def _flatten6(block: Array) -> Array:
    return block.reshape((*block.shape[:-2], 6))


# --------------------------------------------------------------------------- elementary


def rotation_about(axis: str, angle: Array) -> Array:
    """Rotation matrices ``[..., 3, 3]`` about one of the axes "x" "y" "z" by ``angle`` (rad)."""
    lib = _lib(angle)
    c, s = lib.cos(angle), lib.sin(angle)
    one, zero = lib.ones_like(angle), lib.zeros_like(angle)
    rows = {
        "x": [[one, zero, zero], [zero, c, -s], [zero, s, c]],
        "y": [[c, zero, s], [zero, one, zero], [-s, zero, c]],
        "z": [[c, -s, zero], [s, c, zero], [zero, zero, one]],
    }[axis]
    return _stack([_stack(row) for row in rows], -2)


def euler_to_matrix(order: str, angles: Array) -> Array:
    """Intrinsic Euler angles ``[..., 3]`` (rad) to matrices; ``"zxy"`` means Rz @ Rx @ Ry."""
    first, second, third = (rotation_about(a, angles[..., i]) for i, a in enumerate(order))
    return first @ second @ third


def matrix_to_euler_zyx(matrix: Array) -> Array:
    """``[..., 3, 3]`` -> ``[..., 3]`` angles (z, y, x) in radians with R = Rz @ Ry @ Rx.

    Computed from the quarter turns upward; at gimbal lock (|y| = 90 degrees) x is set to zero.
    """
    lib = _lib(matrix)
    sin_y = -matrix[..., 2, 0]
    sin_y = sin_y.clamp(-1.0, 1.0) if _is_torch(matrix) else np.clip(sin_y, -1.0, 1.0)
    locked = 1.0 - lib.abs(sin_y) < 1e-12
    zero = lib.zeros_like(sin_y)
    atan2 = lib.atan2 if _is_torch(matrix) else np.arctan2
    x = lib.where(locked, zero, atan2(matrix[..., 2, 1], matrix[..., 2, 2]))
    z = lib.where(
        locked,
        atan2(-matrix[..., 0, 1], matrix[..., 1, 1]),
        atan2(matrix[..., 1, 0], matrix[..., 0, 0]),
    )
    y = lib.asin(sin_y) if _is_torch(matrix) else np.arcsin(sin_y)
    return _stack([z, y, x])


def matrix_to_euler_zxy(matrix: Array) -> Array:
    """``[..., 3, 3]`` -> ``[..., 3]`` angles (z, x, y) in radians with R = Rz @ Rx @ Ry.

    At gimbal lock (|x| = 90 degrees) y is set to zero.
    """
    lib = _lib(matrix)
    sin_x = matrix[..., 2, 1]
    sin_x = sin_x.clamp(-1.0, 1.0) if _is_torch(matrix) else np.clip(sin_x, -1.0, 1.0)
    locked = 1.0 - lib.abs(sin_x) < 1e-12
    atan2 = lib.atan2 if _is_torch(matrix) else np.arctan2
    y = lib.where(locked, lib.zeros_like(sin_x), atan2(-matrix[..., 2, 0], matrix[..., 2, 2]))
    z = lib.where(
        locked,
        atan2(matrix[..., 1, 0], matrix[..., 0, 0]),
        atan2(-matrix[..., 0, 1], matrix[..., 1, 1]),
    )
    x = lib.asin(sin_x) if _is_torch(matrix) else np.arcsin(sin_x)
    return _stack([z, x, y])


# --------------------------------------------------------------------------- axis-angle


def axis_angle_to_matrix(axis_angle: Array) -> Array:
    """``[..., 3]`` rotation vectors -> ``[..., 3, 3]`` (Rodrigues), exact at and near zero."""
    lib = _lib(axis_angle)
    squared = (axis_angle * axis_angle).sum(-1)
    small = squared < 1e-12
    safe = lib.where(small, lib.ones_like(squared), squared)
    angle = safe**0.5
    a = lib.where(small, 1.0 - squared / 6.0, lib.sin(angle) / angle)
    b = lib.where(small, 0.5 - squared / 24.0, (1.0 - lib.cos(angle)) / safe)
    x, y, z = axis_angle[..., 0], axis_angle[..., 1], axis_angle[..., 2]
    rows = [
        [1 - b * (y * y + z * z), b * x * y - a * z, b * x * z + a * y],
        [b * x * y + a * z, 1 - b * (x * x + z * z), b * y * z - a * x],
        [b * x * z - a * y, b * y * z + a * x, 1 - b * (x * x + y * y)],
    ]
    return _stack([_stack(row) for row in rows], -2)


def matrix_to_axis_angle(matrix: Array) -> Array:
    """``[..., 3, 3]`` -> rotation vectors ``[..., 3]`` with angle in [0, pi]."""
    return quaternion_to_axis_angle(matrix_to_quaternion(matrix))


# --------------------------------------------------------------------------- quaternions


def matrix_to_quaternion(matrix: Array) -> Array:
    """``[..., 3, 3]`` -> unit quaternions ``[..., 4]`` (w first, w >= 0), stable everywhere.

    Each row of the symmetric 4x4 matrix ``q q^T`` is the quaternion scaled by one of its
    components; the row with the largest diagonal is the best conditioned one.
    """
    lib = _lib(matrix)
    m = {(i, j): matrix[..., i, j] for i in range(3) for j in range(3)}
    ww = 1 + m[0, 0] + m[1, 1] + m[2, 2]
    xx = 1 + m[0, 0] - m[1, 1] - m[2, 2]
    yy = 1 - m[0, 0] + m[1, 1] - m[2, 2]
    zz = 1 - m[0, 0] - m[1, 1] + m[2, 2]
    wx, wy, wz = m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]
    xy, xz, yz = m[0, 1] + m[1, 0], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1]
    outer = _stack(
        [
            _stack([ww, wx, wy, wz]),
            _stack([wx, xx, xy, xz]),
            _stack([wy, xy, yy, yz]),
            _stack([wz, xz, yz, zz]),
        ],
        -2,
    )
    diagonal = _stack([ww, xx, yy, zz])
    best = lib.argmax(diagonal, -1)
    if _is_torch(matrix):
        index = best[..., None, None].expand((*best.shape, 1, 4))
        row = lib.gather(outer, -2, index)[..., 0, :]
    else:
        row = np.take_along_axis(outer, best[..., None, None], -2)[..., 0, :]
    row = row / _norm(row, 1e-12)
    return lib.where(row[..., :1] < 0, -row, row)


def quaternion_to_matrix(quaternion: Array) -> Array:
    """Quaternions ``[..., 4]`` (w first, normalised here) -> ``[..., 3, 3]``."""
    q = quaternion / _norm(quaternion, 1e-12)
    w, x, y, z = q[..., 0], q[..., 1], q[..., 2], q[..., 3]
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return _stack([_stack(row) for row in rows], -2)


def quaternion_to_axis_angle(quaternion: Array) -> Array:
    """Quaternions ``[..., 4]`` (w first) to rotation vectors ``[..., 3]``, angle in [0, pi]."""
    lib = _lib(quaternion)
    q = lib.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    vector = q[..., 1:]
    sine = (vector * vector).sum(-1)[..., None] ** 0.5
    atan2 = lib.atan2 if _is_torch(q) else np.arctan2
    small = sine < 1e-8
    safe = lib.where(small, lib.ones_like(sine), sine)
    scale = lib.where(small, 2.0 * lib.ones_like(sine), 2.0 * atan2(sine, q[..., :1]) / safe)
    return vector * scale


def make_continuous(quaternions: np.ndarray) -> np.ndarray:
    """Flip signs along axis 0 so that neighbours never lie on opposite hemispheres (numpy only).

    Args:
        quaternions: ``[T, ..., 4]``. Blender interpolates F-curves per component, so a sign flip
            between two keys would swing the bone the long way round.
    """
    q = np.array(quaternions, copy=True)
    if len(q) > 1:
        flips = np.sign((q[1:] * q[:-1]).sum(-1))
        flips[flips == 0] = 1
        q[1:] *= np.cumprod(flips, axis=0)[..., None]
    return q


def slerp(a: np.ndarray, b: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Shortest-arc spherical interpolation of unit quaternions (numpy only).

    Args:
        a, b: ``[..., 4]``; weight: ``[...]``, broadcast against the leading axes; 0 gives ``a``.
    """
    dot = (a * b).sum(-1)
    b = np.where(dot[..., None] < 0, -b, b)
    dot = np.abs(dot)
    # 2 atan2 of chord lengths keeps full precision for tiny angles, where arccos loses half
    theta = 2.0 * np.arctan2(np.linalg.norm(b - a, axis=-1), np.linalg.norm(a + b, axis=-1))
    sine = np.sin(theta)
    near = sine < 1e-8
    safe = np.where(near, 1.0, sine)
    wa = np.where(near, 1.0 - weight, np.sin((1.0 - weight) * theta) / safe)
    wb = np.where(near, weight, np.sin(weight * theta) / safe)
    out = wa[..., None] * a + wb[..., None] * b
    return out / np.linalg.norm(out, axis=-1, keepdims=True)


def orthonormalise(matrix: np.ndarray) -> np.ndarray:
    """Nearest rotation matrices to ``[..., 3, 3]`` in the least-squares sense (numpy only)."""
    u, _, vt = np.linalg.svd(matrix)
    sign = np.sign(np.linalg.det(u @ vt))
    u = u.copy()
    u[..., :, 2] *= sign[..., None]
    return u @ vt


def shortest_arc(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Matrices ``[..., 3, 3]`` of the smallest rotation from ``source`` to ``target`` (numpy only).

    Args:
        source, target: ``[..., 3]`` directions of any non-zero length, broadcast together.
            Opposite directions turn about an arbitrary perpendicular axis.
    """
    source, target = np.broadcast_arrays(source, target)
    a = source / np.linalg.norm(source, axis=-1, keepdims=True)
    b = target / np.linalg.norm(target, axis=-1, keepdims=True)
    helper = np.where(np.abs(a[..., :1]) < 0.9, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    perpendicular = np.cross(a, helper)
    perpendicular /= np.linalg.norm(perpendicular, axis=-1, keepdims=True)
    dot = (a * b).sum(-1, keepdims=True)
    opposite = dot < -1.0 + 1e-12
    quaternion = np.concatenate([1.0 + dot, np.cross(a, b)], -1)
    half_turn = np.concatenate([np.zeros_like(dot), perpendicular], -1)
    return quaternion_to_matrix(np.where(opposite, half_turn, quaternion))

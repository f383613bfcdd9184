"""Quaternion arithmetic for keyframes, vectorised over every leading axis (numpy only).

Quaternions are ``(w, x, y, z)`` as in Blender, matrices act on column vectors, angles are radians.
Euler angles follow Blender: order ``"XYZ"`` turns about X first, so ``R = Rz @ Ry @ Rx``.
"""

from __future__ import annotations

import numpy as np

from .rotations import make_continuous, slerp

__all__ = [
    "conjugate",
    "cross",
    "from_axis_angle",
    "from_euler",
    "from_matrix",
    "from_rot6d",
    "make_continuous",
    "multiply",
    "normalise",
    "power",
    "rotate",
    "shortest_turn",
    "slerp",
    "to_axis_angle",
    "to_euler",
    "to_matrix",
    "to_rot6d",
]

_EPSILON = 1e-12


def normalise(q: np.ndarray) -> np.ndarray:
    """Unit quaternions ``[..., 4]``."""
    return q / np.maximum(np.sqrt(np.einsum("...i,...i->...", q, q))[..., None], _EPSILON)


def from_rot6d(rot6d: np.ndarray) -> np.ndarray:
    """motion_135's ``[..., 6]`` (two matrix columns, interleaved) to quaternions ``[..., 4]``.

    Gram-Schmidt of Zhou et al. (CVPR 2019) on the columns; a model's output is never quite
    orthonormal.
    """
    a, b = rot6d[..., 0::2], rot6d[..., 1::2]
    x = a / np.maximum(np.linalg.norm(a, axis=-1, keepdims=True), _EPSILON)
    y = b - np.einsum("...i,...i->...", x, b)[..., None] * x
    y /= np.maximum(np.linalg.norm(y, axis=-1, keepdims=True), _EPSILON)
    return _from_columns(x, y, cross(x, y))


def from_matrix(matrix: np.ndarray) -> np.ndarray:
    """Rotation matrices ``[..., 3, 3]`` to unit quaternions ``[..., 4]``, stable everywhere."""
    return _from_columns(matrix[..., :, 0], matrix[..., :, 1], matrix[..., :, 2])


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """``a x b`` over the last axis; ``np.cross`` spends most of its time on moving axes."""
    out = np.empty(np.broadcast_shapes(a.shape, b.shape), np.result_type(a, b))
    out[..., 0] = a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1]
    out[..., 1] = a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2]
    out[..., 2] = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return out


def _from_columns(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The row of ``4 q q^T`` with the largest diagonal: the best conditioned of four formulas."""
    m00, m10, m20 = x[..., 0], x[..., 1], x[..., 2]
    m01, m11, m21 = y[..., 0], y[..., 1], y[..., 2]
    m02, m12, m22 = z[..., 0], z[..., 1], z[..., 2]
    outer = np.empty((*m00.shape, 4, 4), np.result_type(x, y))
    outer[..., 0, 0] = 1 + m00 + m11 + m22
    outer[..., 1, 1] = 1 + m00 - m11 - m22
    outer[..., 2, 2] = 1 - m00 + m11 - m22
    outer[..., 3, 3] = 1 - m00 - m11 + m22
    outer[..., 0, 1] = outer[..., 1, 0] = m21 - m12
    outer[..., 0, 2] = outer[..., 2, 0] = m02 - m20
    outer[..., 0, 3] = outer[..., 3, 0] = m10 - m01
    outer[..., 1, 2] = outer[..., 2, 1] = m01 + m10
    outer[..., 1, 3] = outer[..., 3, 1] = m02 + m20
    outer[..., 2, 3] = outer[..., 3, 2] = m12 + m21
    best = np.argmax(np.einsum("...ii->...i", outer), -1)
    row = np.take_along_axis(outer, best[..., None, None], -2)[..., 0, :]
    row = normalise(row)
    return np.where(row[..., :1] < 0, -row, row)


def to_matrix(q: np.ndarray) -> np.ndarray:
    """Unit quaternions ``[..., 4]`` to matrices ``[..., 3, 3]``."""
    w, x, y, z = (q[..., i] for i in range(4))
    out = np.empty((*q.shape[:-1], 3, 3), q.dtype)
    out[..., 0, 0] = 1 - 2 * (y * y + z * z)
    out[..., 0, 1] = 2 * (x * y - w * z)
    out[..., 0, 2] = 2 * (x * z + w * y)
    out[..., 1, 0] = 2 * (x * y + w * z)
    out[..., 1, 1] = 1 - 2 * (x * x + z * z)
    out[..., 1, 2] = 2 * (y * z - w * x)
    out[..., 2, 0] = 2 * (x * z - w * y)
    out[..., 2, 1] = 2 * (y * z + w * x)
    out[..., 2, 2] = 1 - 2 * (x * x + y * y)
    return out


def conjugate(q: np.ndarray) -> np.ndarray:
    """The inverse of unit quaternions ``[..., 4]``."""
    return q * np.array([1, -1, -1, -1], q.dtype)


def multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """``a b`` (turn by ``b`` first), broadcast over the leading axes."""
    aw, ax, ay, az = (a[..., i] for i in range(4))
    bw, bx, by, bz = (b[..., i] for i in range(4))
    out = np.empty(np.broadcast_shapes(a.shape, b.shape), np.result_type(a, b))
    out[..., 0] = aw * bw - ax * bx - ay * by - az * bz
    out[..., 1] = aw * bx + ax * bw + ay * bz - az * by
    out[..., 2] = aw * by - ax * bz + ay * bw + az * bx
    out[..., 3] = aw * bz + ax * by - ay * bx + az * bw
    return out


def rotate(q: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Vectors ``[..., 3]`` turned by unit quaternions ``[..., 4]``, broadcast together."""
    w, axis = q[..., :1], q[..., 1:]
    twice = 2.0 * cross(axis, vectors)
    return vectors + w * twice + cross(axis, twice)


def power(q: np.ndarray, exponent: float | np.ndarray) -> np.ndarray:
    """A share (or a multiple) of turns ``[..., 4]``, the short way round."""
    q = np.where(q[..., :1] < 0, -q, q)
    sine = np.linalg.norm(q[..., 1:], axis=-1, keepdims=True)
    half = np.arctan2(sine, q[..., :1]) * exponent
    axis = q[..., 1:] / np.maximum(sine, _EPSILON)
    return np.concatenate([np.cos(half), np.sin(half) * axis], -1)


def shortest_turn(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The smallest turns ``[..., 4]`` from directions ``[..., 3]`` to others of any length.

    Opposite directions turn about any axis across.
    """
    a = source / np.maximum(np.linalg.norm(source, axis=-1, keepdims=True), _EPSILON)
    b = target / np.maximum(np.linalg.norm(target, axis=-1, keepdims=True), _EPSILON)
    cosine = np.einsum("...i,...i->...", a, b)[..., None]
    turn = np.concatenate([1.0 + cosine, cross(a, b)], -1)
    opposite = cosine < -1.0 + 1e-9
    if opposite.any():
        helper = np.where(np.abs(a[..., :1]) < 0.9, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
        across = np.concatenate([np.zeros_like(cosine), cross(a, helper)], -1)
        turn = np.where(opposite, across, turn)
    return normalise(turn)


def to_axis_angle(q: np.ndarray) -> np.ndarray:
    """Blender's four axis-angle channels ``(angle, x, y, z)``; pass continuous ``[T, ..., 4]``.

    The axis of a rotation below a thousandth of a degree is noise, so it is taken from +Y there.
    """
    sine = np.linalg.norm(q[..., 1:], axis=-1)
    angle = 2 * np.arctan2(sine, q[..., 0])
    small = sine < 1e-5
    axis = q[..., 1:] / np.where(small, 1.0, sine)[..., None]
    axis = np.where(small[..., None], np.array([0.0, 1.0, 0.0]), axis)
    return np.concatenate([angle[..., None], axis], -1)


def from_axis_angle(values: np.ndarray) -> np.ndarray:
    """Blender's ``[..., 4]`` ``(angle, x, y, z)`` to quaternions; no axis means no rotation."""
    axis = values[..., 1:]
    length = np.linalg.norm(axis, axis=-1, keepdims=True)
    axis = np.divide(axis, length, out=np.zeros_like(axis), where=length > 0)
    half = 0.5 * values[..., :1]
    # Blender turns about a missing axis by nothing
    cosine = np.where(length > 0, np.cos(half), 1.0)
    return np.concatenate([cosine, np.sin(half) * axis], -1)


def from_euler(angles: np.ndarray, order: str) -> np.ndarray:
    """Euler angles ``[..., 3]`` (x, y, z) in Blender's ``order`` to quaternions ``[..., 4]``."""
    turns = []
    for letter in order:
        axis = "XYZ".index(letter)
        turn = np.zeros((*angles.shape[:-1], 4))
        turn[..., 0] = np.cos(0.5 * angles[..., axis])
        turn[..., 1 + axis] = np.sin(0.5 * angles[..., axis])
        turns.append(turn)
    return multiply(turns[2], multiply(turns[1], turns[0]))


def to_rot6d(q: np.ndarray) -> np.ndarray:
    """Unit quaternions to motion_135's ``[..., 6]``: the first two matrix columns, interleaved."""
    return to_matrix(q)[..., :2].reshape(*q.shape[:-1], 6)


def to_euler(q: np.ndarray, order: str) -> np.ndarray:
    """Euler angles ``[T, ..., 3]`` (x, y, z) in Blender's ``order``, continuous along axis 0.

    Each frame takes whichever of the two equivalent triples lies nearer to the frame before, then
    whole turns are unwrapped, so that no channel jumps between keys.
    """
    i, j, k = ("XYZ".index(letter) for letter in order)
    sign = 1.0 if (j - i) % 3 == 1 else -1.0
    m = to_matrix(q)
    middle = np.arcsin(np.clip(-sign * m[..., k, i], -1.0, 1.0))
    locked = np.abs(m[..., k, i]) > 1 - 1e-10
    first = np.where(
        locked,
        np.arctan2(-sign * m[..., j, k], m[..., j, j]),
        np.arctan2(sign * m[..., k, j], m[..., k, k]),
    )
    last = np.where(locked, 0.0, np.arctan2(sign * m[..., j, i], m[..., i, i]))
    angles = np.empty((*q.shape[:-1], 3))
    angles[..., i], angles[..., j], angles[..., k] = first, middle, last
    return _nearest_euler(angles, j)


def _nearest_euler(angles: np.ndarray, middle: int) -> np.ndarray:
    """Choose for every frame the equivalent triple nearest to the frame before.

    Between neighbours the choice is "the same kind of triple as before" or "the other kind", and
    which is nearer does not depend on what was chosen before (both kinds map onto each other), so
    the choices are a running product.
    """
    if len(angles) < 2:
        return angles
    other = angles + np.pi
    other[..., middle] = np.pi - angles[..., middle]
    turn = 2 * np.pi

    def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        gap = b - a
        return np.abs(gap - turn * np.round(gap / turn)).sum(-1)

    change = apart(angles[:-1], other[1:]) < apart(angles[:-1], angles[1:])
    flipped = np.zeros(angles.shape[:-1], bool)
    flipped[1:] = np.cumsum(change, axis=0) % 2 == 1
    out = np.where(flipped[..., None], other, angles)
    return np.unwrap(out, axis=0)

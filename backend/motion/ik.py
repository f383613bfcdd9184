"""Joint positions to rotations: closed-form initialisation, then refinement.

The refinement is the published "refine-80" (HFTrainer): Adam on axis-angles and translation with
the objective of :class:`Refinement`. The gradient is analytic. With g_k = dL/dp_k at joint k, a
small world rotation of joint j moves every joint k below it, so

    dL/dw_j = sum_k (p_k - p_j) x g_k = sum_k p_k x g_k  -  p_j x sum_k g_k     (k below j)

and the left Jacobian of the exponential map takes world rotations to axis-angle parameters. There
is no mesh and no automatic differentiation in the loop; all frames of all clips go at once.

Adam's steps have the size of its rate however small the gradient is. Where the closed form already
meets the targets, they throw it off by an amount that rounding decides: 30 nm more or less in the
targets are 0.004 mm more or less in the end. :func:`_settle` takes that out of the root.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import FormatError
from . import gauss_newton
from .representations.spec import check_shape
from .rotations import axis_angle_to_matrix, matrix_to_axis_angle, shortest_arc, transpose
from .skeleton import (
    CHILDREN,
    FOOT_JOINTS,
    NUM_JOINTS,
    PARENTS,
    forward_kinematics,
    joint_index,
    rest_offsets,
)

PARENT_WEIGHT = 0.25
"""Weight of the bone to the parent in the ``parent_frame`` initialisation."""

_SHORT = 1e-8  # m: a bone below this has no direction
_BELOW = np.zeros((NUM_JOINTS, NUM_JOINTS))  # [j, k] = 1 where k is j or hangs on j
for _joint in range(NUM_JOINTS):
    _at = _joint
    while _at >= 0:
        _BELOW[_at, _joint] = 1.0
        _at = PARENTS[_at]


@dataclass(frozen=True)
class Refinement:
    """The objective and schedule of the refinement; the defaults are the published ones.

    Attributes:
        method: ``"adam"`` as published, or ``"gauss_newton"``, which converges in a few steps per
            frame and never ends with a worse fit than it began with (no temporal smoothing).
        iterations: steps; Gauss-Newton stops at a frame when a step gains less than 1e-4.
        learning_rate: of Adam (rad and m).
        pose_weight: pull of the body pose to its initial value.
        smooth_weight: second differences over time, of the translation and (x 0.01) of the pose.
        joint_weights: preset name in :data:`JOINT_WEIGHTS`.
        settle: after Adam's last step, put the root where it fits these rotations best
            (:func:`_settle`); without it the steps are the published ones and nothing else.
    """

    method: str = "adam"
    iterations: int = 80
    learning_rate: float = 0.02
    pose_weight: float = 1e-4
    smooth_weight: float = 1e-3
    joint_weights: str = "uniform"
    settle: bool = True


def _preset(groups: Sequence[tuple[float, Sequence[str]]]) -> np.ndarray:
    weights = np.ones(NUM_JOINTS)
    for value, names in groups:
        weights[[joint_index(n) for n in names]] = value
    return weights / weights.mean()


_TORSO = ("spine1", "spine2", "spine3", "neck", "left_collar", "right_collar", "head")
_ARMS = tuple(f"{s}_{j}" for s in ("left", "right") for j in ("shoulder", "elbow", "wrist"))
_FEET, _WRISTS = ("left_foot", "right_foot"), ("left_wrist", "right_wrist")

JOINT_WEIGHTS: dict[str, np.ndarray] = {
    "uniform": _preset(()),
    "relaxed_torso": _preset(((0.15, _TORSO), (0.35, (*_FEET, *_WRISTS)))),
    "relaxed_upper": _preset(((0.08, (*_TORSO, *_ARMS)), (0.25, _FEET))),
}
"""Weights per joint with mean 1: how much each joint's error counts in the refinement."""


@dataclass(frozen=True)
class IkFit:
    """A fitted clip.

    Attributes:
        local_rotations: ``[T, 22, 3, 3]``.
        root: ``[T, 3]`` translation (m); the pelvis is at ``root + offsets[0]``.
        joints: ``[T, 22, 3]`` fitted positions.
        error_mm: ``[T]`` mean distance of the fitted joints from their targets (MPJPE).
    """

    local_rotations: np.ndarray
    root: np.ndarray
    joints: np.ndarray
    error_mm: np.ndarray


# --------------------------------------------------------------------------- initialisation


def initial_rotations(
    targets: np.ndarray,
    offsets: np.ndarray | None = None,
    mode: str = "bone",
    *,
    steady_twist: bool = False,
) -> np.ndarray:
    """Rotations that point every bone of the skeleton at its target, joint by joint from the root.

    A joint with one bone takes the shortest arc in its parent's frame, so that it gets no twist; a
    joint with several solves Wahba's problem on their directions; a leaf keeps the rest rotation.

    Args:
        targets: ``[T, 22, 3]`` positions (m).
        offsets: ``[22, 3]`` rest offsets; the neutral skeleton when omitted.
        mode: ``"bone"`` uses the bones to the children; ``"parent_frame"`` also the bone to the
            parent, with weight 0.25.
        steady_twist: a joint with one bone takes the shortest arc from the frame before instead of
            from rest, so that its twist does not jump from frame to frame.

    Returns:
        ``[T, 22, 3, 3]`` parent-relative rotations, float64.
    """
    if mode not in ("bone", "parent_frame"):
        raise ValueError(f"unknown mode {mode!r}")
    targets = check_shape(targets, (NUM_JOINTS, 3), "The target joints").astype(np.float64)
    offsets = rest_offsets() if offsets is None else np.asarray(offsets, dtype=np.float64)
    local = np.tile(np.eye(3), (*targets.shape[:2], 1, 1))
    world = local.copy()
    for joint, parent in enumerate(PARENTS):
        before = world[:, parent] if parent >= 0 else np.eye(3)
        pairs = [(offsets[c], targets[:, c] - targets[:, joint], 1.0) for c in CHILDREN[joint]]
        if mode == "parent_frame" and parent >= 0:
            back = targets[:, parent] - targets[:, joint]
            pairs.append((-offsets[joint], back, PARENT_WEIGHT))
        local[:, joint] = _align(pairs, before, len(targets), steady_twist)
        world[:, joint] = before @ local[:, joint]
    return local


def _align(
    pairs: list[tuple[np.ndarray, np.ndarray, float]],
    before: np.ndarray,
    frames: int,
    steady_twist: bool = False,
) -> np.ndarray:
    """Rotation ``[T, 3, 3]`` from rest directions to target directions in the parent frame."""
    rest, seen, weights = [], [], []
    for bone, target, weight in pairs:
        length = np.linalg.norm(target, axis=-1, keepdims=True)
        known = (length > _SHORT) & (np.linalg.norm(bone) > _SHORT)
        unit = target / np.maximum(length, _SHORT)
        seen.append((transpose(np.broadcast_to(before, (frames, 3, 3))) @ unit[..., None])[..., 0])
        rest.append(bone / max(float(np.linalg.norm(bone)), _SHORT))
        weights.append(weight * known[:, 0])
    if not pairs:
        return np.tile(np.eye(3), (frames, 1, 1))
    if len(pairs) == 1:
        goal = np.where(weights[0][:, None] > 0, seen[0], rest[0])
        return _carried(rest[0], goal) if steady_twist else np.asarray(shortest_arc(rest[0], goal))
    correlation = sum(
        w[:, None, None] * s[:, :, None] * r[None, None, :]
        for r, s, w in zip(rest, seen, weights, strict=True)
    )
    u, _, vt = np.linalg.svd(correlation)
    u[..., :, 2] *= np.sign(np.linalg.det(u @ vt))[:, None]
    return np.asarray(u @ vt)


def _carried(rest: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Rotations ``[T, 3, 3]`` that take ``rest`` to ``goal [T, 3]``, each turned from the last."""
    out = np.empty((len(goal), 3, 3))
    out[0] = shortest_arc(rest, goal[0])
    for t in range(1, len(goal)):
        out[t] = shortest_arc(out[t - 1] @ rest, goal[t]) @ out[t - 1]
    return out


# --------------------------------------------------------------------------- refinement


def fit(
    targets: np.ndarray | Sequence[np.ndarray],
    offsets: np.ndarray | None = None,
    *,
    mode: str = "bone",
    refinement: Refinement | None = None,
    foot_align: bool = True,
    steady_twist: bool = False,
) -> list[IkFit]:
    """Fit the skeleton to joint positions.

    Args:
        targets: ``[T, 22, 3]`` or a list of such clips (m); they are fitted together but do not
            influence each other.
        offsets: ``[22, 3]`` rest offsets; the neutral skeleton when omitted.
        mode, steady_twist: of :func:`initial_rotations`.
        refinement: None for the closed form alone.
        foot_align: in the end, move each frame vertically so that the lowest foot joint is as high
            as the lowest target foot joint (as published, although it raises the error).

    Returns:
        One fit per clip.

    Raises:
        FormatError: wrong shape, values that are not finite, or no clip.
    """
    clips = [targets] if isinstance(targets, np.ndarray) else list(targets)
    if not clips:
        raise FormatError("There is no clip to fit.", "Give one [T, 22, 3] array, or several.")
    clips = [check_shape(c, (NUM_JOINTS, 3), "The target joints") for c in clips]
    offsets = rest_offsets() if offsets is None else np.asarray(offsets, dtype=np.float64)
    everything = np.concatenate(clips).astype(np.float64)
    rotations = np.concatenate(
        [initial_rotations(clip, offsets, mode, steady_twist=steady_twist) for clip in clips]
    )
    root = everything[:, 0] - offsets[0]
    lengths = [len(c) for c in clips]
    if refinement is not None and refinement.iterations > 0:
        task = _Task(everything, offsets, lengths, refinement)
        rotations, root = _refine(task, rotations, root)
    joints = forward_kinematics(rotations, root, offsets)
    if foot_align:
        lowest = [a[:, FOOT_JOINTS, 1].min(axis=1) for a in (everything, joints)]
        root[:, 1] += lowest[0] - lowest[1]
        joints[..., 1] += (lowest[0] - lowest[1])[:, None]
    error = 1000.0 * np.linalg.norm(joints - everything, axis=-1).mean(axis=1)
    borders = np.cumsum(lengths)[:-1]
    parts = (np.split(a, borders) for a in (rotations, root, joints, error))
    return [IkFit(*part) for part in zip(*parts, strict=True)]


@dataclass(frozen=True)
class _Task:
    """Targets ``[sum(lengths), 22, 3]`` of clips, the skeleton's offsets, and how to refine."""

    targets: np.ndarray
    offsets: np.ndarray
    lengths: list[int]
    settings: Refinement

    @property
    def weights(self) -> np.ndarray:
        """Share of each joint in the mean, ``[22]``."""
        return np.asarray(JOINT_WEIGHTS[self.settings.joint_weights] / NUM_JOINTS)


def _refine(task: _Task, rotations: np.ndarray, root: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotations and root after ``settings.iterations`` steps of the chosen method."""
    settings = task.settings
    if settings.method == "gauss_newton":
        return gauss_newton.refine(
            task.targets,
            task.offsets,
            rotations,
            root,
            iterations=settings.iterations,
            pose_weight=settings.pose_weight / 63 * NUM_JOINTS,
            weights=JOINT_WEIGHTS[settings.joint_weights],
        )
    if settings.method != "adam":
        raise ValueError(f"unknown refinement {settings.method!r}")
    rotations, root = _adam(task, rotations, root)
    if settings.settle:
        root = _settle(task, rotations, root)
    return rotations, root


def _settle(task: _Task, rotations: np.ndarray, root: np.ndarray) -> np.ndarray:
    """The root where the position objective has its minimum for these rotations.

    That is where the weighted mean residual vanishes. Least squares and mean distance are not the
    same: a clip that would end with a larger mean distance keeps its root.
    """
    targets, lengths = task.targets, task.lengths
    joints = forward_kinematics(rotations, root, task.offsets)
    shift = np.einsum("j,tjk->tk", task.weights, targets - joints)
    before, after = (
        np.linalg.norm(j - targets, axis=-1).mean(axis=1) for j in (joints, joints + shift[:, None])
    )
    first = np.cumsum([0, *lengths[:-1]])
    closer = np.add.reduceat(after, first) < np.add.reduceat(before, first)
    return np.asarray(root + shift * np.repeat(closer, lengths)[:, None])


def _adam(task: _Task, rotations: np.ndarray, root: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Adam on the axis-angles and the root of all clips, each with its own mean objective."""
    settings, lengths = task.settings, task.lengths
    first = matrix_to_axis_angle(rotations)
    share = np.concatenate([np.full(n, 1.0 / n) for n in lengths])
    inside = _second_difference_shares(lengths)
    weights = task.weights
    parameters = np.concatenate([first.reshape(len(root), -1), root], axis=1)
    mean, square = np.zeros_like(parameters), np.zeros_like(parameters)
    for step in range(1, settings.iterations + 1):
        pose = parameters[:, :-3].reshape(first.shape)
        place = parameters[:, -3:]
        by_pose, by_place = _position_gradient(pose, place, task.targets, task.offsets, weights)
        by_pose[:, 1:] += settings.pose_weight * 2.0 / 63 * (pose - first)[:, 1:]
        by_pose, by_place = by_pose * share[:, None, None], by_place * share[:, None]
        by_place += settings.smooth_weight * 2.0 / 3 * _smoothness_gradient(place, inside)
        by_pose[:, 1:] += (
            settings.smooth_weight * 0.01 * 2.0 / 63 * _smoothness_gradient(pose[:, 1:], inside)
        )
        gradient = np.concatenate([by_pose.reshape(len(root), -1), by_place], axis=1)
        # means are per clip; Adam's steps do not depend on the scale of the objective
        mean += 0.1 * (gradient - mean)
        square += 0.001 * (gradient**2 - square)
        rate = settings.learning_rate / (1.0 - 0.9**step)
        parameters -= rate * mean / (np.sqrt(square / (1.0 - 0.999**step)) + 1e-8)
    pose = parameters[:, :-3].reshape(first.shape)
    return axis_angle_to_matrix(pose), parameters[:, -3:].copy()


def _position_gradient(
    pose: np.ndarray,
    root: np.ndarray,
    targets: np.ndarray,
    offsets: np.ndarray,
    weights: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient of ``sum_j weights_j |p_j - target_j|^2`` of every frame by axis-angles and root."""
    local = axis_angle_to_matrix(pose)
    before = np.empty_like(local)  # world rotation of each joint's parent
    before[:, 0] = np.eye(3)
    points = np.empty_like(targets)
    points[:, 0] = root + offsets[0]
    for level in _LEVELS[1:]:
        above = [PARENTS[j] for j in level]
        before[:, level] = before[:, above] @ local[:, above]
        bones = (before[:, level] @ offsets[level][..., None])[..., 0]
        points[:, level] = points[:, above] + bones
    pull = 2.0 * weights[:, None] * (points - targets)
    below = _BELOW @ pull
    torque = _BELOW @ np.cross(points, pull) - np.cross(points, below)
    torque = (transpose(before) @ torque[..., None])[..., 0]
    return _left_jacobian_transposed(pose, torque), below[:, 0]


def _left_jacobian_transposed(vector: np.ndarray, torque: np.ndarray) -> np.ndarray:
    """``J_l(v)^T t`` with ``J_l = I + (1-cos a)/a^2 [v] + (a - sin a)/a^3 [v]^2``."""
    squared = (vector * vector).sum(-1, keepdims=True)
    small = squared < 1e-8
    safe = np.where(small, 1.0, squared)
    angle = np.sqrt(safe)
    b = np.where(small, 0.5 - squared / 24.0, (1.0 - np.cos(angle)) / safe)
    c = np.where(small, 1.0 / 6.0 - squared / 120.0, (angle - np.sin(angle)) / (safe * angle))
    turned = np.cross(vector, torque)
    return torque - b * turned + c * np.cross(vector, turned)


def _levels() -> list[list[int]]:
    depth = [0] * NUM_JOINTS
    for joint in range(1, NUM_JOINTS):
        depth[joint] = depth[PARENTS[joint]] + 1
    return [[j for j in range(NUM_JOINTS) if depth[j] == d] for d in range(max(depth) + 1)]


_LEVELS = _levels()


def _second_difference_shares(lengths: list[int]) -> np.ndarray:
    """``[sum(lengths) - 2]``: the weight of each second difference, 0 across clip borders."""
    shares = [np.full(n, 1.0 / (n - 2) if n > 2 else 0.0) for n in lengths]
    for share in shares:
        share[-2:] = 0.0
    return np.concatenate(shares)[:-2]


def _smoothness_gradient(values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Half the gradient of ``sum shares |second difference|^2``."""
    out = np.zeros_like(values)
    if len(values) < 3:
        return out
    bend = np.diff(values, n=2, axis=0) * shares.reshape((-1,) + (1,) * (values.ndim - 1))
    out[:-2] += bend
    out[1:-1] -= 2.0 * bend
    out[2:] += bend
    return out

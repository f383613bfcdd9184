"""A faster refinement of inverse kinematics: damped Gauss-Newton, every frame on its own.

Positions determine a pose up to the twist of single-child bones, so each frame is a small
least-squares problem (17 joints that carry others, and the root). Levenberg's damping is chosen per
frame; a step that does not lower a frame's objective is taken back, so no frame ends worse than it
began. Twist stays where the initialisation put it, because only the pull to it acts there.
"""

from __future__ import annotations

import numpy as np

from .rotations import axis_angle_to_matrix, matrix_to_axis_angle, transpose
from .skeleton import CHILDREN, NUM_JOINTS, PARENTS, forward_kinematics, global_rotations

_CARRIERS = [j for j in range(NUM_JOINTS) if CHILDREN[j]]
_START_DAMPING, _MIN_DAMPING, _MAX_DAMPING = 1e-2, 1e-9, 1.0
_ENOUGH, _NOTHING = 1e-4, 1e-9  # relative and absolute (m^2) decrease at which a frame is done


def _carries() -> np.ndarray:
    """``[22, 17]``: whether carrier j lies strictly above joint k."""
    out = np.zeros((NUM_JOINTS, len(_CARRIERS)))
    for k in range(NUM_JOINTS):
        above = PARENTS[k]
        while above >= 0:
            out[k, _CARRIERS.index(above)] = 1.0
            above = PARENTS[above]
    return out


_CARRIES = _carries()


def refine(
    targets: np.ndarray,
    offsets: np.ndarray,
    rotations: np.ndarray,
    root: np.ndarray,
    *,
    iterations: int,
    pose_weight: float,
    weights: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Lower ``sum_j w_j |p_j - target_j|^2 + pose_weight |turn from the initial pose|^2``.

    Args:
        targets: ``[T, 22, 3]``; offsets: ``[22, 3]``; rotations: ``[T, 22, 3, 3]`` initial,
            parent-relative; root: ``[T, 3]`` initial translation; weights: ``[22]``. All float64.

    Returns:
        Refined rotations and root.
    """
    start, rotations, root = rotations, rotations.copy(), root.copy()
    damping = np.full(len(targets), _START_DAMPING)
    value = _objective(targets, offsets, rotations, root, start, pose_weight, weights)
    busy = np.arange(len(targets))
    for _ in range(iterations):
        goal, first = targets[busy], start[busy]
        turns, shift = _step(
            goal, offsets, rotations[busy], root[busy], first, damping[busy], pose_weight, weights
        )
        tried, moved = rotations[busy], root[busy] + shift
        tried[:, _CARRIERS] = axis_angle_to_matrix(turns) @ tried[:, _CARRIERS]
        new = _objective(goal, offsets, tried, moved, first, pose_weight, weights)
        gain = value[busy] - new
        better = gain > 0
        chosen = busy[better]
        rotations[chosen], root[chosen] = tried[better], moved[better]
        value[chosen] = new[better]
        damping[busy] = np.maximum(damping[busy] * np.where(better, 0.2, 8.0), _MIN_DAMPING)
        settled = better & (gain < _ENOUGH * new + _NOTHING)
        busy = busy[~settled & (damping[busy] < _MAX_DAMPING)]
        if len(busy) == 0:
            break
    return rotations, root


def _turned(rotations: np.ndarray, first: np.ndarray) -> np.ndarray:
    """``[T, 17, 3]`` rotation vectors in the parent's frame from the initial to this pose."""
    return matrix_to_axis_angle(rotations[:, _CARRIERS] @ transpose(first[:, _CARRIERS]))


def _objective(
    targets: np.ndarray,
    offsets: np.ndarray,
    rotations: np.ndarray,
    root: np.ndarray,
    first: np.ndarray,
    pose_weight: float,
    weights: np.ndarray,
) -> np.ndarray:
    error = forward_kinematics(rotations, root, offsets) - targets
    turned = _turned(rotations, first)[:, 1:]
    return np.asarray(
        ((error**2).sum(-1) * weights).sum(-1) + pose_weight * (turned**2).sum((-1, -2))
    )


def _step(
    targets: np.ndarray,
    offsets: np.ndarray,
    rotations: np.ndarray,
    root: np.ndarray,
    first: np.ndarray,
    damping: np.ndarray,
    pose_weight: float,
    weights: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Turns ``[T, 17, 3]`` of the carriers in their parents' frames, and a shift ``[T, 3]``."""
    frames, size = len(targets), 3 * len(_CARRIERS)
    points = forward_kinematics(rotations, root, offsets)
    world = global_rotations(rotations)
    before = np.tile(np.eye(3), (frames, len(_CARRIERS), 1, 1))
    before[:, 1:] = world[:, [PARENTS[j] for j in _CARRIERS[1:]]]

    arm = (points[:, :, None] - points[:, None, _CARRIERS]) * _CARRIES[..., None]
    # a turn w moves a point at the end of the arm by w x arm; columns of `before` are the turns
    by_turn = np.cross(np.swapaxes(before, -1, -2)[:, None], arm[..., None, :])
    jacobian = np.zeros((frames, NUM_JOINTS, 3, size + 3))
    jacobian[..., :size] = np.moveaxis(by_turn, -1, 2).reshape(frames, NUM_JOINTS, 3, size)
    jacobian[..., size:] = np.eye(3)
    scaled = jacobian * np.sqrt(weights)[:, None, None]
    scaled = scaled.reshape(frames, -1, size + 3)
    residual = ((points - targets) * np.sqrt(weights)[:, None]).reshape(frames, -1)

    pull = np.zeros((frames, size + 3))
    pull[:, 3:size] = pose_weight * _turned(rotations, first)[:, 1:].reshape(frames, -1)
    diagonal = np.zeros(size + 3)
    diagonal[3:size] = pose_weight
    normal = transpose(scaled) @ scaled
    index = np.arange(size + 3)
    normal[:, index, index] += diagonal + damping[:, None]
    gradient = (transpose(scaled) @ residual[..., None])[..., 0] + pull
    step = -np.linalg.solve(normal, gradient[..., None])[..., 0]
    return step[:, :size].reshape(frames, -1, 3), step[:, size:]

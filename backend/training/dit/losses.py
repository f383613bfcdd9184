"""Losses on joints for networks that predict smplrifke205 features.

The diffusion loss alone weighs a degree at the hip like a degree at the wrist; these terms see
where the joints end up and how they move, so feet stay planted (after MDM's geometric losses,
Tevet et al. 2023, eq. 3-5).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...motion.representations import smplrifke205
from ...motion.rotations import rot6d_rows_to_matrix
from ...motion.skeleton import FOOT_JOINTS, NUM_JOINTS, PARENTS, joint_index, rest_offsets

_SPEC = smplrifke205.SPEC
_ARMS = range(joint_index("left_shoulder"), joint_index("right_wrist") + 1)
_ARM_COLUMNS = [
    _SPEC.columns(block).start + size * (joint - skipped) + k
    for block, size, skipped in (("rotations", 6, 0), ("joints", 3, 1))
    for joint in _ARMS
    for k in range(size)
]
_ROOT_STEPS = slice(_SPEC.columns("root_velocity").start, _SPEC.columns("yaw_velocity").stop)


@dataclass(frozen=True)
class LossConfig:
    """Weights of the terms; errors are divided by the ``*_scale`` (m, m/frame, rad).

    ``root`` and ``arms`` weigh columns of the feature terms: the two are few among 205, and what
    the text asks for is often only there. ``joint_rows`` is the share of a batch, the clearest
    rows, that the joint terms look at.
    """

    root: float = 4.0
    feature_velocity: float = 2.0
    arms: float = 1.0
    position: float = 0.5
    velocity: float = 0.5
    acceleration: float = 0.25
    contact: float = 0.5
    heading: float = 0.05
    path: float = 0.05
    heading_scale: float = 1.0
    path_scale: float = 3.0
    position_scale: float = 0.1
    velocity_scale: float = 0.04
    contact_scale: float = 0.03
    contact_speed: float = 0.012
    joint_rows: float = 0.5


def _levels() -> list[tuple[list[int], list[int]]]:
    """Joints by depth, with the place of each joint's parent in the level above."""
    levels: list[list[int]] = [[0]]
    while True:
        below = [j for j in range(NUM_JOINTS) if PARENTS[j] in levels[-1]]
        if not below:
            break
        levels.append(below)
    return [
        (joints, [levels[depth].index(PARENTS[j]) for j in joints])
        for depth, joints in enumerate(levels[1:])
    ]


_LEVELS = _levels()


def pelvis_relative_joints(features: Tensor) -> Tensor:
    """FK of un-normalised features: ``[..., 205]`` to ``[..., 22, 3]`` in the heading frame.

    Z-up, metres, pelvis at x = y = 0 and at its height. Written with products and sums: batched
    3x3 matrix kernels are several times slower on a CPU.
    """
    rot6d = features[..., _SPEC.columns("rotations")]
    rotations = rot6d_rows_to_matrix(rot6d.unflatten(-1, (NUM_JOINTS, 6)))
    offsets = torch.as_tensor(rest_offsets(), dtype=features.dtype, device=features.device)
    height = features[..., _SPEC.columns("root_height")]
    zero = torch.zeros_like(height)
    position = torch.cat([zero, zero, height], -1)[..., None, :]
    world = rotations[..., :1, :, :]
    found, order = [position], [0]
    for joints, parents in _LEVELS:
        above = world[..., parents, :, :]
        step = (above * offsets[joints][:, None, :]).sum(-1)
        position = position[..., parents, :] + step
        own = rotations[..., joints, :, :]
        world = (above[..., :, :, None] * own[..., None, :, :]).sum(-2)
        found.append(position)
        order.extend(joints)
    inverse = [order.index(j) for j in range(NUM_JOINTS)]
    return torch.cat(found, -2)[..., inverse, :]


def stored_joints(features: Tensor) -> Tensor:
    """The joint positions that the features carry: ``[..., 205]`` to ``[..., 22, 3]``.

    Same frame as :func:`pelvis_relative_joints`; equal to it for encoded motion.
    """
    height = features[..., _SPEC.columns("root_height")]
    zero = torch.zeros_like(height)
    pelvis = torch.cat([zero, zero, height], -1)[..., None, :]
    others = features[..., _SPEC.columns("joints")].unflatten(-1, (-1, 3))[..., : NUM_JOINTS - 1, :]
    return torch.cat([pelvis, others + pelvis], -2)


def joint_velocities(features: Tensor, joints: Tensor) -> Tensor:
    """World displacement of each joint to the next frame, seen in the heading frame of its start.

    Args:
        features: ``[B, T, 205]`` un-normalised; joints: ``[B, T, 22, 3]`` from
            :func:`pelvis_relative_joints`.

    Returns:
        ``[B, T - 1, 22, 3]`` metres per frame.
    """
    turn = features[:, :-1, _SPEC.columns("yaw_velocity")]
    step = features[:, :-1, _SPEC.columns("root_velocity")]
    c, s = turn.cos(), turn.sin()
    following = joints[:, 1:]
    x = c * following[..., 0] - s * following[..., 1] + step[..., :1]
    y = s * following[..., 0] + c * following[..., 1] + step[..., 1:]
    return torch.stack([x, y, following[..., 2]], -1) - joints[:, :-1]


def motion_loss(
    predicted: Tensor,
    target: Tensor,
    mask: Tensor,
    signal: Tensor,
    mean: Tensor,
    std: Tensor,
    config: LossConfig,
) -> tuple[Tensor, dict[str, float]]:
    """Training loss of an x0 prediction.

    Args:
        predicted, target: ``[B, T, 205]`` normalised features.
        mask: ``[B, T]`` True on real frames.
        signal: ``[B]`` abar of each row's time step; joint terms are weighted with it and take only
            the clearer rows, because at high noise x0 is only known on average.

    Returns:
        The loss and its parts as floats, for the log.
    """
    mask = mask.float()
    pair = mask[:, 1:] * mask[:, :-1]
    weight = torch.ones_like(mean)
    weight[_SPEC.columns("root_velocity")] = config.root
    weight[_SPEC.columns("yaw_velocity")] = config.root
    weight[_SPEC.columns("root_height")] = config.root
    weight[_ARM_COLUMNS] = config.arms
    pace = torch.ones_like(mean)
    pace[_ARM_COLUMNS] = config.arms
    error = predicted - target
    parts = {"feature": _average((error**2 * weight).mean(-1), mask)}
    slope = error[:, 1:] - error[:, :-1]
    parts["feature_velocity"] = config.feature_velocity * _average((slope**2 * pace).mean(-1), pair)

    # a turn is one column of 205 and small in every frame, but it is what the text asks for
    steps = (error * std)[..., _ROOT_STEPS] * mask[..., None]
    drift = steps.cumsum(1)
    scales = (config.path_scale, config.heading_scale)
    parts["path"] = config.path * _average((drift[..., :2] / scales[0]).square().sum(-1), mask)
    parts["heading"] = config.heading * _average((drift[..., 2] / scales[1]).square(), mask)

    # the clearer part of the batch is where joint terms mean something, and FK of half of it costs
    # a third of a training step on a CPU
    count = max(1, int(len(signal) * config.joint_rows))
    rows = signal.argsort(descending=True)[:count]
    native, truth = predicted[rows] * std + mean, target[rows] * std + mean
    mask, pair, signal = mask[rows], pair[rows], signal[rows]
    joints, true_joints = pelvis_relative_joints(native), stored_joints(truth)
    speed = joint_velocities(native, joints)
    true_speed = joint_velocities(truth, true_joints)
    sure, sure_pair = mask * signal[:, None], pair * signal[:, None]
    sure_triple = sure_pair[:, 1:] * pair[:, :-1]

    def square(x: Tensor, scale: float) -> Tensor:
        return ((x / scale) ** 2).mean((-1, -2))

    gap = speed - true_speed
    parts["position"] = config.position * _average(
        square(joints - true_joints, config.position_scale), sure
    )
    parts["velocity"] = config.velocity * _average(square(gap, config.velocity_scale), sure_pair)
    parts["acceleration"] = config.acceleration * _average(
        square(gap[:, 1:] - gap[:, :-1], config.velocity_scale), sure_triple
    )
    feet = list(FOOT_JOINTS)
    planted = (true_speed[:, :, feet].norm(dim=-1) < config.contact_speed).float()
    # the length itself, not its square: a slow slide must keep its pull, or no foot stands still
    slip = ((gap[:, :, feet] / config.contact_scale).square().sum(-1) + 1e-4).sqrt()
    parts["contact"] = config.contact * _average((planted * slip).mean(-1), sure_pair)
    total = torch.stack(list(parts.values())).sum()
    return total, {name: float(value.detach()) for name, value in parts.items()}


def _average(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum() / weights.sum().clamp_min(1e-6)

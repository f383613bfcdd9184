"""The coordinates in which the action model sees joint positions.

``world``: positions as they were recorded, as the released from-scratch code trains.
``local``: the clip starts above the origin and faces +Z; the pelvis has its height and how far it
moved over the ground since the frame before, every other joint is relative to the point on the
ground below it. The same 66 numbers, but a gesture looks the same wherever it is made and a walk
looks the same from start to end, so that a small network learns them in minutes.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor

from ...motion.skeleton import joint_index

Coordinates: TypeAlias = Literal["world", "local"]
COORDINATES: tuple[str, ...] = ("world", "local")

_ACROSS = (("right_hip", "left_hip"), ("right_shoulder", "left_shoulder"))
_GROUND = (0, 2)  # x and z


def face_forward(joints: Tensor) -> Tensor:
    """Turn and move clips so that the first frame stands above the origin and faces +Z.

    Args:
        joints: ``[B, F, J, 3]`` in metres, Y-up, SMPL-22 joints first.
    """
    first = joints[:, 0]
    pairs = [first[:, joint_index(b)] - first[:, joint_index(a)] for a, b in _ACROSS]
    across = torch.stack(pairs).sum(0)
    # left is at +X of somebody who faces +Z
    heading = torch.atan2(-across[:, 2], across[:, 0])
    cosine, sine = heading.cos()[:, None, None], heading.sin()[:, None, None]
    x = joints[..., 0] - first[:, None, :1, 0]
    z = joints[..., 2] - first[:, None, :1, 2]
    turned = (x * cosine - z * sine, joints[..., 1], x * sine + z * cosine)
    return torch.stack(turned, dim=-1)


def to_features(joints: Tensor, coordinates: str) -> Tensor:
    """Joint positions ``[B, F, J, 3]`` to features ``[B, F, 3 J]``."""
    if coordinates == "local":
        joints = face_forward(joints)
        pelvis = joints[:, :, :1].clone()
        ground = pelvis[..., _GROUND]
        pelvis[..., _GROUND] = torch.diff(ground, dim=1, prepend=torch.zeros_like(ground[:, :1]))
        joints = torch.cat([pelvis, joints[:, :, 1:] - _on_ground(joints[:, :, :1])], dim=2)
    return joints.flatten(2)


def to_joints(features: Tensor, coordinates: str) -> Tensor:
    """Features ``[B, F, 3 J]`` to joint positions ``[B, F, J, 3]``."""
    joints = features.unflatten(-1, (-1, 3))
    if coordinates == "local":
        pelvis = joints[:, :, :1].clone()
        pelvis[..., _GROUND] = pelvis[..., _GROUND].cumsum(dim=1)
        joints = torch.cat([pelvis, joints[:, :, 1:] + _on_ground(pelvis)], dim=2)
    return joints


def _on_ground(pelvis: Tensor) -> Tensor:
    """The point at height 0 below the pelvis ``[B, F, 1, 3]``."""
    return pelvis * pelvis.new_tensor((1.0, 0.0, 1.0))

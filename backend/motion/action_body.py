"""Joints of the 25 x 6 motions that MDM makes for HumanAct12: 24 SMPL rotations, 1 translation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .rotations import rot6d_rows_to_matrix

SMPL24_PARENTS = (
    -1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21,
)  # fmt: skip
"""Parents of SMPL's 24 joints: the 22 of the body, then one per hand."""


@dataclass(frozen=True)
class ActionBody:
    """A skeleton of 24 joints.

    Attributes:
        rest_joints: ``[24, 3]`` positions of the rest pose, metres.
    """

    rest_joints: Tensor
    parents: Sequence[int] = SMPL24_PARENTS

    def joints(
        self, x: Tensor, *, translate: bool = False, frame_mask: Tensor | None = None
    ) -> Tensor:
        """Joint positions about the root, ``[B, 24, 3, F]``.

        Args:
            x: ``[B, 25, 6, F]``; rows 0-23 are parent-relative rotations (first two rows of the
                matrix), row 24 holds the translation in channels 0-2.
            translate: add the translation from the first frame on.
            frame_mask: ``[B, F]`` bool; other frames come out as zeros (before ``translate``).
        """
        count = len(self.parents)
        rotations = rot6d_rows_to_matrix(x[:, :count].permute(0, 3, 1, 2))
        rest = self.rest_joints.to(x)
        world, placed = [rotations[..., 0, :, :]], [rest[0].expand(*rotations.shape[:2], 3)]
        for joint in range(1, count):
            parent = self.parents[joint]
            bone = rest[joint] - rest[parent]
            placed.append(placed[parent] + world[parent] @ bone)
            world.append(world[parent] @ rotations[..., joint, :, :])
        joints = torch.stack(placed, 1)  # [B, 24, F, 3]
        if frame_mask is not None:
            joints = joints * frame_mask[:, None, :, None]
        joints = (joints - joints[:, :1]).transpose(2, 3)
        if translate:
            way = x[:, count, :3]
            joints = joints + (way - way[..., :1])[:, None]
        return joints

"""From HumanML3D's 263 features to MS272 by the rotations that both store, without fitting."""

from __future__ import annotations

import numpy as np

from . import resample
from .representations import hml263, ms272
from .rotations import shortest_arc
from .skeleton import global_rotations, local_rotations_from_global, rest_offsets


def hml263_to_motion272(
    x: np.ndarray, offsets: np.ndarray | None = None, frames: int | None = None
) -> np.ndarray:
    """``[T, 263]`` at 20 fps to MS272 ``[T', 272]`` at 30 fps without inverse kinematics.

    The stored positions, and the stored rotations turned from HumanML3D's bones, which lead TO a
    joint in its reference pose, to the rest pose of ``offsets``; both on the end-aligned grid. As
    published (Motius, July 2026), every rotation is taken as relative to its joint's parent.

    Args:
        offsets: ``[22, 3]`` rest offsets; the neutral skeleton when omitted.
        frames: T'; the frames at 30 fps are then stretched to so many.
    """
    bones = rest_offsets() if offsets is None else np.asarray(offsets, np.float64)
    x = hml263.SPEC.check(x).astype(np.float64)
    grid = resample.end_aligned_grid(len(x), hml263.SPEC.fps, ms272.SPEC.fps)
    turned = resample.spherical(hml263.decode_rotations(x), grid)
    points = resample.linear(hml263.decode_joints(x), grid)
    if frames is not None:
        grid = np.linspace(0.0, len(grid) - 1.0, frames)
        turned, points = resample.spherical(turned, grid), resample.linear(points, grid)
    to_pose = np.tile(np.eye(3), (len(bones), 1, 1))
    directions = bones[1:] / np.linalg.norm(bones[1:], axis=-1, keepdims=True)
    raw = np.array(hml263.HML22.raw_offsets[1:], np.float64)
    to_pose[1:] = [shortest_arc(a, b) for a, b in zip(directions, raw, strict=True)]
    local = local_rotations_from_global(global_rotations(turned) @ to_pose)
    return ms272.encode(points, local).astype(np.float32)

"""Representations in which a model edits: which of their columns a kept frame or joint fixes."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ...motion.joint_sets import chains_inside
from ...motion.representations import motion135, smplrifke205
from ...motion.resample import resample_motion135
from ...motion.seams import kept_stretches
from ...motion.skeleton import joint_index
from ...wire.skeleton import SOLE_HEIGHT

_EVEN_TURN, _EVEN_STEP = 0.3, 0.1  # shares of a correction that do not go by speed
_GROUND = np.array([1.0, -1.0])  # x, y of Z-up features to x, z


class EditSpace(Protocol):
    """A representation, as masked sampling needs it. Arrays are un-normalised numpy.

    ``fitted`` says that rotations come back from positions, so that those of kept joints differ
    from the given ones in twist.
    """

    fps: float
    dim: int
    fitted: bool

    def encode(self, x: np.ndarray, fps: float) -> np.ndarray:
        """motion_135 at ``fps``, standing on y = 0, to ``[T', dim]`` at ``self.fps``."""

    def mask(self, frames: np.ndarray, joints: np.ndarray) -> np.ndarray:
        """``[T', dim]`` bool of what kept frames ``[T']`` and kept joints ``[22]`` fix."""

    def decode(
        self, sample: np.ndarray, raw: np.ndarray, fps: float, frames: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Root ``[frames, 3]`` and rotations ``[frames, 22, 3, 3]`` at ``fps``, in any place.

        Args:
            sample: the edited features, known parts replaced.
            raw: the network's last prediction, smooth where ``sample`` need not be.
        """

    def meet(self, x: np.ndarray, path: np.ndarray, gap: tuple[int, int]) -> np.ndarray:
        """``x`` with the speeds of a gap changed so that it ends where the path says.

        Args:
            x: ``[T', dim]``.
            path: :meth:`path` of the given motion.
            gap: half-open rows between two kept ones.
        """

    def placed(self, x: np.ndarray, rows: np.ndarray, joint: int, points: np.ndarray) -> np.ndarray:
        """``x`` with the columns of a joint at ``rows [n]`` saying that it is at ``points``.

        Args:
            joint: SMPL's number, not the pelvis.
            points: ``[n, 3]`` m: x and z from the pelvis in its heading, y above the floor.
        """

    def path(self, x: np.ndarray) -> np.ndarray:
        """``[T', 3]``: x, z (m) and unwrapped heading (rad) of every row, from 0, 0, 0."""


def kept_rows(kept: np.ndarray, fps: float, native_fps: float, rows: int) -> np.ndarray:
    """Rows ``[rows]`` at ``native_fps`` that lie among the kept frames of ``kept [T]`` at ``fps``.

    A kept stretch that falls between two rows keeps the nearest row, so that no key pose is lost.
    """
    times = np.arange(rows) / native_fps * fps
    low = np.clip(np.floor(times + 1e-6).astype(int), 0, len(kept) - 1)
    high = np.clip(np.ceil(times - 1e-6).astype(int), 0, len(kept) - 1)
    out = kept[low] & kept[high]
    for first, last in kept_stretches(kept):
        inside = (times >= first - 1e-6) & (times <= last - 1 + 1e-6)
        if not (inside & out).any():
            middle = round((first + last - 1) / 2 / fps * native_fps)
            out[min(max(middle, 0), rows - 1)] = True
    return out


class Smplrifke205Space:
    """The starter model's representation: rotations and positions joint by joint, speeds."""

    fps = smplrifke205.SPEC.fps
    dim = smplrifke205.SPEC.dim
    fitted = False

    def encode(self, x: np.ndarray, fps: float) -> np.ndarray:
        """See :class:`EditSpace`."""
        features = smplrifke205.from_motion135(x, fps)
        height = resample_motion135(x, fps, self.fps)[:, 1] - SOLE_HEIGHT
        features[:, smplrifke205.SPEC.columns("root_height").start] = height
        return features

    def mask(self, frames: np.ndarray, joints: np.ndarray) -> np.ndarray:
        """See :class:`EditSpace`; a speed is fixed where this row and the next one are."""
        spec, pelvis = smplrifke205.SPEC, joint_index("pelvis")
        pose = frames[:, None] | joints[None]
        steps = frames & np.append(frames[1:], frames[-1]) | joints[pelvis]
        placed = chains_inside(joints)
        hands = [joint_index("left_wrist"), joint_index("right_wrist")]
        placed = np.concatenate([placed[1:], placed[hands]])
        mask = np.zeros((len(frames), spec.dim), dtype=bool)
        mask[:, spec.columns("root_height")] = pose[:, pelvis, None]
        mask[:, spec.columns("root_velocity", "yaw_velocity")] = steps[:, None]
        mask[:, spec.columns("rotations")] = np.repeat(pose, 6, axis=1)
        mask[:, spec.columns("joints")] = np.repeat(frames[:, None] | placed[None], 3, axis=1)
        return mask

    def decode(
        self, sample: np.ndarray, raw: np.ndarray, fps: float, frames: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """See :class:`EditSpace`."""
        smooth = raw.copy()
        speeds = smplrifke205.SPEC.columns("root_velocity", "yaw_velocity")
        smooth[:, speeds] = sample[:, speeds]
        x = smplrifke205.to_motion135(smooth.astype(np.float64), fps, frames=frames)
        return motion135.unpack(x)

    def placed(self, x: np.ndarray, rows: np.ndarray, joint: int, points: np.ndarray) -> np.ndarray:
        """See :class:`EditSpace`; these columns are Z-up and count from the pelvis."""
        spec = smplrifke205.SPEC
        first = spec.columns("joints").start + 3 * (joint - 1)
        height = x[rows, spec.columns("root_height").start]
        out = x.copy()
        out[rows, first] = points[:, 0]
        out[rows, first + 1] = -points[:, 2]
        out[rows, first + 2] = points[:, 1] - SOLE_HEIGHT - height
        return out

    def path(self, x: np.ndarray) -> np.ndarray:
        """See :class:`EditSpace`; z of the ground is minus y of the Z-up features."""
        spec = smplrifke205.SPEC
        turns, steps = x[:, spec.columns("yaw_velocity")][:, 0], x[:, spec.columns("root_velocity")]
        heading = np.concatenate([[0.0], np.cumsum(turns[:-1])])
        world = plane_turn(steps * _GROUND, heading)
        place = np.concatenate([np.zeros((1, 2)), np.cumsum(world[:-1], axis=0)])
        return np.concatenate([place, heading[:, None]], -1)

    def meet(self, x: np.ndarray, path: np.ndarray, gap: tuple[int, int]) -> np.ndarray:
        """See :class:`EditSpace`."""
        spec = smplrifke205.SPEC
        first, last = gap[0] - 1, gap[1]
        rows = slice(first, last)
        out = x.copy()
        turns = out[rows, spec.columns("yaw_velocity").start]
        steps = out[rows, spec.columns("root_velocity")] * _GROUND
        turns, steps = arriving(turns, steps, path[first], path[last])
        out[rows, spec.columns("yaw_velocity").start] = turns
        out[rows, spec.columns("root_velocity")] = steps * _GROUND
        return out


def arriving(
    turns: np.ndarray,
    steps: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    *,
    ahead: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Turns and steps that lead from one place and heading to another.

    The missing turn and way are spread over the frames, most where there is speed already: a foot
    that stands shall not be dragged along.

    Args:
        turns: ``[n]`` (rad); steps: ``[n, 2]`` x, z (m) in the heading of their frame.
        start, end: x, z and heading before the first and after the last of them.
        ahead: steps are in the heading after their turn instead of before it.

    Returns:
        New ``turns`` and ``steps``.
    """
    rest = end[2] - start[2] - turns.sum()
    rest = (rest + np.pi) % (2.0 * np.pi) - np.pi
    turns = turns + rest * _shares(np.abs(turns), _EVEN_TURN)
    heading = start[2] + np.cumsum(turns) - (0.0 if ahead else turns)
    world = plane_turn(steps, heading)
    rest = end[:2] - start[:2] - world.sum(0)
    world += rest * _shares(np.linalg.norm(world, axis=-1), _EVEN_STEP)[:, None]
    return turns, plane_turn(world, -heading)


def _shares(speed: np.ndarray, even: float) -> np.ndarray:
    """Weights ``[n]`` of sum 1: a share ``even`` for all alike, the rest by ``speed``."""
    total = speed.sum()
    if total < 1e-9:
        return np.full(len(speed), 1.0 / len(speed))
    return even / len(speed) + (1.0 - even) * speed / total


def plane_turn(xz: np.ndarray, heading: np.ndarray) -> np.ndarray:
    """Turn ground vectors x, z ``[n, 2]`` about y by ``heading [n]`` (0 keeps, +z goes to +x)."""
    c, s = np.cos(heading), np.sin(heading)
    return np.stack([c * xz[:, 0] + s * xz[:, 1], c * xz[:, 1] - s * xz[:, 0]], -1)

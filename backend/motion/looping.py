"""Clips that repeat without a jump: choose the frames, blend the end into the start.

A clip of T frames whose last B frames are blended over its first B becomes a loop of T - B frames:

    out[t] = (1 - w(t)) M x[T - B + t] + w(t) x[t]      for t < B,   w from 0 to 1
    out[t] = x[t]                                       for t >= B

M is the turn about the vertical and the step on the ground that lay the end of the clip on its
start. The repetition that follows is moved by M^-1, where out[0] is exactly the frame that came
after out[T - B - 1] in the clip, so nothing jumps there, and a walk goes on walking.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InvalidRequest
from .edits import heading
from .representations import motion135
from .rotations import matrix_to_quaternion, quaternion_to_matrix, rotation_about, slerp

DEFAULT_BLEND = 0.3
"""Seconds of the blend: long enough to hide a small difference, short enough to keep a step."""

_SPEED_WEIGHT = 0.1  # s: how much a difference in speed counts as a distance when frames are chosen


@dataclass(frozen=True)
class Loop:
    """A clip and where its next repetition begins.

    Attributes:
        data: motion_135 ``[N, 135]``.
        turn: radians about +Y between one repetition and the next.
        step: ``[3]`` metres: a point p of one repetition is at ``R_y(turn) p + step`` in the next.
        fps: frames per second.
    """

    data: np.ndarray
    turn: float
    step: np.ndarray
    fps: float

    def repeat(self, times: int) -> np.ndarray:
        """``[times * N, 135]``: the repetitions one after the other, each where it belongs."""
        parts, x = [self.data], self.data
        for _ in range(times - 1):
            x = _moved(x, self.turn, self.step)
            parts.append(x)
        return np.concatenate(parts)

    def seam(self) -> dict[str, float]:
        """How visible the repetition is.

        Returns:
            ``jump_cm``: mean joint distance over the seam beyond what the speed before it explains;
            ``acceleration_m_s2``: largest mean joint acceleration in the frames around the seam;
            ``usual_acceleration_m_s2``: the mean of the clip itself, for comparison.
        """
        count = len(self.data)
        joints = motion135.joints(self.repeat(2).astype(np.float64))
        bend = np.linalg.norm(np.diff(joints, n=2, axis=0), axis=-1).mean(-1)
        around = bend[max(count - 3, 0) : count + 1]
        inside = bend[: max(count - 2, 1)]
        return {
            "jump_cm": 100.0 * float(bend[min(count - 2, len(bend) - 1)]) if count > 1 else 0.0,
            "acceleration_m_s2": float(around.max()) * self.fps**2,
            "usual_acceleration_m_s2": float(inside.mean()) * self.fps**2,
        }


def make_loop(x: np.ndarray, seconds: float = DEFAULT_BLEND, fps: float = 30.0) -> Loop:
    """Blend the last ``seconds`` of a clip into its start.

    Args:
        x: motion_135 ``[T, 135]``; best cut by :func:`best_cut` first.
        seconds: of the blend, less than half of the clip; 0 cuts the clip as it is.

    Returns:
        The loop, T - B frames long.

    Raises:
        FormatError: wrong shape or values that are not finite.
        InvalidRequest: the blend does not fit into the clip.
    """
    x = motion135.SPEC.check(x)
    blend = round(seconds * fps)
    if blend < 0 or 2 * blend >= len(x) or len(x) < 3:
        raise InvalidRequest(
            f"A blend of {seconds:g} s does not fit into {len(x) / fps:g} s of motion.",
            "Use a longer clip or a shorter blend.",
        )
    if blend == 0:
        turn, step = _between(x[-1:], x[:1])
        back, away = _inverse(turn, step)
        return Loop(x.copy(), back, away, fps)
    turn, step = _between(x[-blend:], x[:blend])
    tail = _moved(x[-blend:].astype(np.float64), turn, step)
    ramp = np.arange(blend) / blend
    weight = ramp * ramp * (3.0 - 2.0 * ramp)  # starts and ends without a change of speed
    out = x[:-blend].copy()
    out[:blend] = _mixed(tail, x[:blend].astype(np.float64), weight)
    back, away = _inverse(turn, step)
    return Loop(out, back, away, fps)


def best_cut(
    x: np.ndarray, fps: float = 30.0, shortest: float = 1.0, seconds: float = DEFAULT_BLEND
) -> tuple[int, int]:
    """The frames ``start, stop`` (exclusive) that :func:`make_loop` closes with the least change.

    Poses are compared without heading and place, with their speeds, over the middle of the blend.

    Raises:
        InvalidRequest: the clip is shorter than ``shortest`` plus the blend.
    """
    x = motion135.SPEC.check(x)
    blend, least = round(seconds * fps), max(round(shortest * fps), 2)
    if len(x) < least + blend:
        raise InvalidRequest(
            f"{len(x) / fps:g} s are too short for a loop of {shortest:g} s and its blend.",
            "Use a longer clip.",
        )
    joints = motion135.joints(x.astype(np.float64))
    unturn = rotation_about("y", -heading(x.astype(np.float64)))
    local = joints - joints[:, :1] * [1.0, 0.0, 1.0]
    local = np.einsum("tij,tkj->tki", unturn, local)
    speed = np.einsum("tij,tkj->tki", unturn, np.gradient(joints, axis=0)) * fps
    features = np.concatenate([local, _SPEED_WEIGHT * speed], 1).reshape(len(x), -1)
    squares = (features**2).sum(-1)
    apart = squares[:, None] + squares - 2.0 * features @ features.T
    # frame s + blend/2 of the start meets frame s + length + blend/2 of the end
    half = blend // 2
    first, second = np.meshgrid(np.arange(len(x)), np.arange(len(x)), indexing="ij")
    fits = (second - first >= least) & (first >= half) & (second < len(x) - (blend - half) + 1)
    apart = np.where(fits, apart, np.inf)
    a, b = np.unravel_index(int(apart.argmin()), apart.shape)
    return int(a) - half, int(b) - half + blend


# --------------------------------------------------------------------------- rigid moves


def _between(source: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray]:
    """Turn about +Y and horizontal step that lay the roots of ``source`` on those of ``target``."""
    gap = heading(target.astype(np.float64)) - heading(source.astype(np.float64))
    turn = float(np.arctan2(np.sin(gap).mean(), np.cos(gap).mean()))
    root = motion135.unpack(source.astype(np.float64))[0] @ rotation_about("y", np.array(turn)).T
    step = (motion135.unpack(target.astype(np.float64))[0] - root).mean(0)
    step[1] = 0.0
    return turn, step


def _inverse(turn: float, step: np.ndarray) -> tuple[float, np.ndarray]:
    return -turn, -(rotation_about("y", np.array(-turn)) @ step)


def _moved(x: np.ndarray, turn: float, step: np.ndarray) -> np.ndarray:
    root, rotations = motion135.unpack(x)
    matrix = rotation_about("y", np.array(turn)).astype(root.dtype)
    rotations[:, 0] = matrix @ rotations[:, 0]
    return motion135.pack(root @ matrix.T + step.astype(root.dtype), rotations)


def _mixed(a: np.ndarray, b: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """``(1 - weight) a + weight b``, rotations on the sphere."""
    (root_a, turn_a), (root_b, turn_b) = motion135.unpack(a), motion135.unpack(b)
    between = slerp(matrix_to_quaternion(turn_a), matrix_to_quaternion(turn_b), weight[:, None])
    share = weight[:, None]
    root = (1.0 - share) * root_a + share * root_b
    return motion135.pack(root, quaternion_to_matrix(between))

"""The legs of a body: two-bone IK, and the pelvis that rises and sinks with standing feet."""

from __future__ import annotations

import numpy as np

from .. import quaternions
from .body import Body
from .easing import smooth
from .keys import Pose

Chain = tuple[int, int, int]
"""Tracks of hip, knee and ankle."""

_STRAIGHT = 0.994  # of the leg's length; the knee of a straighter leg jumps at small moves
_STRAIGHTNESS = 0.01  # of the leg's length: how near to straight a leg counts most
_CLEAR_BEND = 0.006  # of the leg's length the knee stands off its line before it shows a direction
_SINK = 0.12  # s: how smoothly the pelvis sinks
_MOST_SINK = 0.2  # of the leg's length
_FOLLOW = 300.0  # weight of standing feet against the smoothness of the pelvis
_BODY_EASE = 0.12  # s: how fast the pelvis may be moved


def _lengths(body: Body, chain: tuple[int, int, int]) -> tuple[float, float]:
    hip, knee, ankle = (body.places[k] for k in chain)
    return float(np.linalg.norm(knee - hip)), float(np.linalg.norm(ankle - knee))


def limb_length(body: Body, chain: tuple[int, int, int]) -> float:
    """Of a leg or an arm that is straight."""
    return sum(_lengths(body, chain))


def follow_feet(
    body: Body,
    places: np.ndarray,
    chains: list[tuple[int, int, int] | None],
    shifts: np.ndarray,
    contacts: np.ndarray,
    fps: float,
) -> np.ndarray:
    """Places with the pelvis moved up and down with the standing feet: knees keep their bend.

    A leg that is nearly straight answers a millimetre at the foot with a centimetre at the knee, so
    the straightest of the standing legs counts most.
    """
    total, wanted = np.zeros(len(places)), np.zeros(len(places))
    for foot, chain in enumerate(chains):
        if chain is None:
            continue
        hip, ankle = places[:, chain[0]], places[:, chain[2]]
        now = np.linalg.norm(ankle - hip, axis=-1)
        gap = hip - ankle - shifts[:, foot]
        level = (gap[:, [0, 2]] ** 2).sum(-1)
        rise = np.sqrt(np.maximum(now**2 - level, 0.0)) - gap[:, 1]
        bent = np.clip(1.0 - now / sum(_lengths(body, chain)), 0.0, 1.0)
        weight = contacts[:, foot] * (level < 0.8 * now**2) / (bent + _STRAIGHTNESS)
        total += weight
        wanted += weight * rise
    wanted /= np.maximum(total, 1e-9)
    rise = smooth(
        wanted[:, None], _FOLLOW * np.minimum(total * _STRAIGHTNESS, 1.0), fps, _BODY_EASE
    )[:, 0]
    shifts[..., 1] -= rise[:, None]
    out = places.copy()
    out[..., 1] += rise[:, None]
    return out


def sink(
    body: Body,
    turns: np.ndarray,
    places: np.ndarray,
    chains: list[tuple[int, int, int] | None],
    shifts: np.ndarray,
    fps: float,
) -> np.ndarray:
    """Places with the pelvis so much lower that both feet can reach where they should."""
    need = np.zeros(len(places))
    for foot, chain in enumerate(chains):
        if chain is None:
            continue
        hip, ankle = places[:, chain[0]], places[:, chain[2]]
        target = ankle + shifts[:, foot]
        whole = sum(_lengths(body, chain))
        limit = np.maximum(whole * _STRAIGHT, np.linalg.norm(ankle - hip, axis=-1))
        gap = hip - target
        level = (gap[:, [0, 2]] ** 2).sum(-1)
        reach = np.sqrt(np.maximum(limit**2 - level, 0.0))
        short = np.clip(gap[:, 1] - reach, 0.0, _MOST_SINK * whole)
        need = np.maximum(need, short)
    if not need.any():
        return places
    steps = max(1, round(_SINK * fps))
    padded = np.pad(need, steps, mode="edge")
    held = np.lib.stride_tricks.sliding_window_view(padded, 2 * steps + 1).max(-1)
    kernel = np.hanning(2 * steps + 3)[1:-1]
    drop = np.convolve(np.pad(held, steps, mode="edge"), kernel / kernel.sum(), "valid")
    out = places.copy()
    out[..., 1] -= drop[:, None]
    for foot, chain in enumerate(chains):
        if chain is not None:
            shifts[:, foot, 1] += drop
    return out


def reach(
    body: Body,
    turns: np.ndarray,
    places: np.ndarray,
    pose: Pose,
    chain: tuple[int, int, int],
    shift: np.ndarray,
    ahead: float = 1.0,
) -> None:
    """Turn hip and knee so that the ankle moves by ``shift``; the foot keeps its turn; in place.

    Args:
        ahead: 1 where a straight limb bends ahead (legs), -1 where it bends back (arms).
    """
    hip_k, knee_k, ankle_k = chain
    hip, knee, ankle = places[:, hip_k], places[:, knee_k], places[:, ankle_k]
    if np.abs(shift).max() < 1e-9:
        return
    thigh, shin = _lengths(body, chain)
    now = ankle - hip
    aim = now + shift
    wanted = np.linalg.norm(aim, axis=-1)
    limit = np.maximum((thigh + shin) * _STRAIGHT, np.linalg.norm(now, axis=-1))
    distance = np.clip(wanted, abs(thigh - shin) + 1e-3 * thigh, np.minimum(limit, thigh + shin))
    direction = aim / np.maximum(wanted, 1e-9)[:, None]
    swing = quaternions.shortest_turn(now, aim)
    shown_by = ankle_k if ahead > 0.0 else hip_k
    forward = quaternions.rotate(pose.turns[:, shown_by], np.array([0.0, 0.0, ahead]))
    bend = quaternions.rotate(swing, _bend(hip, knee, ankle, forward, thigh + shin))
    along = np.clip((thigh**2 + distance**2 - shin**2) / (2.0 * distance), -thigh, thigh)
    aside = np.sqrt(np.maximum(thigh**2 - along**2, 0.0))
    new_knee = hip + along[:, None] * direction + aside[:, None] * bend
    new_ankle = hip + distance[:, None] * direction
    first = quaternions.shortest_turn(knee - hip, new_knee - hip)
    second = quaternions.shortest_turn(ankle - knee, new_ankle - new_knee)
    for k, turn in ((hip_k, first), (knee_k, second)):
        for bone, track in enumerate(body.tracks):
            if bone == k or (track.twist and track.low == body.tracks[k].low):
                turns[:, bone] = quaternions.multiply(turn, turns[:, bone])


def _bend(
    hip: np.ndarray, knee: np.ndarray, ankle: np.ndarray, forward: np.ndarray, length: float
) -> np.ndarray:
    """Unit vectors ``[T, 3]`` from the hip-ankle line to the knee."""
    line = ankle - hip
    line = line / np.maximum(np.linalg.norm(line, axis=-1, keepdims=True), 1e-9)

    def across(vector: np.ndarray) -> np.ndarray:
        return vector - (vector * line).sum(-1, keepdims=True) * line

    clear = _CLEAR_BEND * length
    bend = across(knee - hip)
    doubt = np.clip(1.0 - np.linalg.norm(bend, axis=-1, keepdims=True) / clear, 0.0, 1.0)
    bend = bend + doubt**2 * clear * across(forward)
    return bend / np.maximum(np.linalg.norm(bend, axis=-1, keepdims=True), 1e-9)

"""A walk made of formulas whose feet truly stand: planted by leg IK, heels lifted at push-off."""

from __future__ import annotations

import numpy as np

from backend.motion.limb_ik import ANKLES, reach, solve_limbs
from backend.motion.representations import motion135
from backend.motion.rotations import rotation_about
from backend.motion.skeleton import forward_kinematics, global_rotations, rest_offsets
from backend.wire.skeleton import SOLE_HEIGHT

FPS = 30.0
STEP = 0.55  # m
CYCLE = 36  # frames for two steps


def walk(frames: int = 120, turn: float = 0.0) -> np.ndarray:
    """motion_135 ``[frames, 135]``: along +Z, or along a curve of ``turn`` radians in all."""
    t = np.arange(frames)
    heading = turn * t / frames
    path = STEP * 2.0 / CYCLE
    ahead = np.stack([np.sin(heading), 0 * heading, np.cos(heading)], -1)
    root = np.concatenate([np.zeros((1, 3)), np.cumsum(path * ahead[:-1], 0)])
    root[:, 1] = 0.86 + 0.012 * np.cos(4 * np.pi * t / CYCLE)
    local = np.tile(np.eye(3), (frames, 22, 1, 1))
    local[:, 0] = rotation_about("y", heading)
    for sign, arm in ((1.0, 16), (-1.0, 17)):
        down = rotation_about("z", np.full(frames, -sign * 1.2))
        local[:, arm] = rotation_about("x", sign * 0.3 * np.sin(2 * np.pi * t / CYCLE)) @ down
    targets = np.empty((frames, 2, 3))
    pitch = np.zeros((frames, 2))
    for foot, side in enumerate((1.0, -1.0)):
        phase = (t / CYCLE + 0.5 * foot) % 1.0
        swing = np.clip((phase - 0.6) / 0.4, 0.0, 1.0)
        ease = swing * swing * (3.0 - 2.0 * swing)
        when = t - phase * CYCLE  # frame at which the stance began
        place = _along(root, ahead, when + 0.3 * CYCLE, path)
        coming = _along(root, ahead, when + 1.3 * CYCLE, path)
        now, then = (_turned(heading, w, turn, frames) for w in (when, when + CYCLE))
        aside = np.array([0.09 * side, 0.0, 0.0])
        a, b = (p + np.einsum("tij,j->ti", rotation_about("y", h), aside)
                for p, h in ((place, now), (coming, then)))  # fmt: skip
        lift = np.clip((phase - 0.45) / 0.15, 0.0, 1.0) * (1.0 - ease)
        pitch[:, foot] = 0.5 * lift * lift * (3.0 - 2.0 * lift)
        targets[:, foot] = (1.0 - ease)[:, None] * a + ease[:, None] * b
        targets[:, foot, 1] = SOLE_HEIGHT + 0.052 + 0.09 * np.sin(np.pi * swing)
    return _posed(root, local, targets, pitch, heading)


def _along(root: np.ndarray, ahead: np.ndarray, when: np.ndarray, path: float) -> np.ndarray:
    """Where the body is at a frame, also before the first and after the last."""
    inside = np.clip(when, 0, len(root) - 1)
    base = np.stack([np.interp(inside, np.arange(len(root)), root[:, k]) for k in range(3)], -1)
    beyond = (when - inside) * path
    direction = ahead[np.round(inside).astype(int)]
    return (base + beyond[:, None] * direction) * [1.0, 0.0, 1.0]


def _turned(heading: np.ndarray, when: np.ndarray, turn: float, frames: int) -> np.ndarray:
    return turn * when / frames


def _posed(
    root: np.ndarray, local: np.ndarray, targets: np.ndarray, pitch: np.ndarray, heading: np.ndarray
) -> np.ndarray:
    """The legs bent to the targets; a lifted heel turns the foot about its ball."""
    rest = rest_offsets()
    for foot, toe in enumerate((10, 11)):
        turn = rotation_about("y", heading) @ rotation_about("x", pitch[:, foot])
        flat = rotation_about("y", heading)
        targets[:, foot] += np.einsum("tij,j->ti", flat - turn, rest[toe])
    bent = local.copy()
    for knee, hip in ((4, 1), (5, 2)):
        bent[:, hip] = rotation_about("x", np.full(len(root), -0.3))
        bent[:, knee] = rotation_about("x", np.full(len(root), 0.6))
    joints = forward_kinematics(bent, root)
    limit = reach(joints[:, [1, 2]], targets)
    out = solve_limbs(bent, root, targets, limit)
    world = global_rotations(out)
    for foot, (ankle, knee, toe) in enumerate(((7, 4, 10), (8, 5, 11))):
        want = rotation_about("y", heading) @ rotation_about("x", pitch[:, foot])
        out[:, ankle] = np.swapaxes(world[:, knee], -1, -2) @ want
        out[:, toe] = rotation_about("x", -pitch[:, foot])
    assert ANKLES == [7, 8]
    return motion135.pack(root, out)

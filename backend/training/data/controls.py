"""Numbers that describe a motion, measured on its features: what a network can be asked for.

Every number is of a whole example (a clip, or the window that training took of it), in metres,
seconds and radians. ``tempo`` alone needs a comparison: how fast its action usually is.
"""

from __future__ import annotations

import numpy as np

from ...motion.representations import smplrifke205
from ...motion.skeleton import joint_index
from ...pipelines.dit.vocabulary import CONTROLS

_SPEC = smplrifke205.SPEC
_FPS = _SPEC.fps
_HEIGHT = _SPEC.columns("root_height")
_STEP, _TURN = _SPEC.columns("root_velocity"), _SPEC.columns("yaw_velocity")
_JOINTS = _SPEC.columns("joints")
_EDGE = round(0.25 * _FPS)
"""Frames that count as the beginning and the end of a motion."""
_SWING_ON, _SWING_OFF, _SWING_FRAMES = 0.6, 0.3, 3
"""A foot swings from the first speed (m/s) on, until it falls below the second."""
_FEET = (joint_index("left_foot") - 1, joint_index("right_foot") - 1)
_WRISTS = (joint_index("left_wrist") - 1, joint_index("right_wrist") - 1)
_BODY = 21
"""Joints beside the pelvis that move by themselves; hands follow wrists."""


def joint_steps(x: np.ndarray) -> np.ndarray:
    """World displacement of the 24 joints to the next frame, ``[T - 1, 24, 3]`` m, Z-up.

    Seen in the heading frame of each step's start; the pelvis first.

    Args:
        x: ``[T, 205]`` un-normalised smplrifke205.
    """
    height = x[:, _HEIGHT]
    pelvis = np.concatenate([np.zeros((len(x), 2), x.dtype), height], 1)[:, None]
    others = x[:, _JOINTS].reshape(len(x), -1, 3)
    joints = np.concatenate([pelvis, others + pelvis], 1)
    turn = x[:-1, _TURN]
    step = x[:-1, _STEP]
    c, s = np.cos(turn), np.sin(turn)
    moved = joints[1:] - joints[:-1]
    x_next, y_next = joints[1:, :, 0], joints[1:, :, 1]
    moved[..., 0] = c * x_next - s * y_next + step[:, :1] - joints[:-1, :, 0]
    moved[..., 1] = s * x_next + c * y_next + step[:, 1:] - joints[:-1, :, 1]
    return moved


def joint_speed(x: np.ndarray) -> np.ndarray:
    """Mean speed of the 22 joints over time, ``[T - 1]`` m/s."""
    return np.linalg.norm(joint_steps(x)[:, : 1 + _BODY], axis=-1).mean(1) * _FPS


def root_path(x: np.ndarray) -> np.ndarray:
    """Ground path of the pelvis ``[T, 2]`` m: leftward and forward of the first frame's heading."""
    turn = np.concatenate([[0.0], np.cumsum(x[:-1, _TURN][:, 0])])
    step = x[:, _STEP]
    c, s = np.cos(turn), np.sin(turn)
    moved = np.stack([c * step[:, 0] - s * step[:, 1], s * step[:, 0] + c * step[:, 1]], 1)
    path = np.concatenate([np.zeros((1, 2)), np.cumsum(moved[:-1], 0)])
    # heading 0 faces -y, with the left hand towards +x
    return np.stack([path[:, 0], -path[:, 1]], 1)


def measure(x: np.ndarray, usual_speed: float | None, captured: bool) -> np.ndarray:
    """The controls of an example, in the order of ``CONTROLS``; NaN where there is none.

    Args:
        x: ``[T, 205]`` un-normalised smplrifke205 at 20 fps.
        usual_speed: median joint speed of its action (m/s), for ``tempo``; None when it has none.
        captured: from motion capture, not keyed by hand.
    """
    steps = joint_steps(x)[:, : 1 + _BODY]
    speeds = np.linalg.norm(steps, axis=-1) * _FPS
    path = root_path(x)
    height = x[:, _HEIGHT][:, 0]
    hands = x[:, _JOINTS].reshape(len(x), -1, 3)[:, list(_WRISTS)]
    ordered, spare = np.sort(hands, axis=0), len(hands) // 25
    extent = np.linalg.norm(ordered[len(hands) - 1 - spare] - ordered[spare], axis=-1)
    # in strides of a quarter second at most, so that swaying is no way
    stops = np.linspace(0, len(x) - 1, max(2, (len(x) - 1) // _EDGE + 1)).round().astype(int)
    found = {
        "tempo": np.log(max(speeds.mean(), 1e-3) / usual_speed) if usual_speed else np.nan,
        "speed": np.linalg.norm(np.diff(path[stops], axis=0), axis=1).sum() * _FPS / (len(x) - 1),
        "forward": path[-1, 1],
        "leftward": path[-1, 0],
        "turn": x[:-1, _TURN].sum(),
        "left_hand": extent[0],
        "right_hand": extent[1],
        "lowest": height.min(),
        "highest": height.max(),
        "steps": float(_swings(steps)),
        "start_motion": speeds[:_EDGE].mean(),
        "end_motion": speeds[-_EDGE:].mean(),
        "captured": float(captured),
    }
    return np.array([found[control.name] for control in CONTROLS], np.float32)


def _swings(steps: np.ndarray) -> int:
    """How often a foot is carried along the ground."""
    count = 0
    for foot in _FEET:
        fast = np.hypot(steps[:, foot + 1, 0], steps[:, foot + 1, 1]) * _FPS
        if fast.max() <= _SWING_ON:
            continue
        swinging, begun = False, 0
        for frame, speed in enumerate(fast.tolist()):
            if not swinging and speed > _SWING_ON:
                swinging, begun = True, frame
            elif swinging and speed < _SWING_OFF:
                swinging = False
                count += frame - begun >= _SWING_FRAMES
        count += swinging and len(fast) - begun >= _SWING_FRAMES
    return count

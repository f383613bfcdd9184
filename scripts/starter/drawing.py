"""Quick pictures of poses: a shaded stick mannequin on a floor grid, without Blender."""

from __future__ import annotations

from typing import Any

import numpy as np

from backend.motion.representations import motion135
from backend.motion.rotations import rotation_about
from backend.motion.skeleton import (
    JOINT_NAMES,
    PARENTS,
    forward_kinematics,
    global_rotations,
    joint_index,
)

VIEW_TURN = np.radians(-35.0)
"""The camera stands this far round the figure from straight ahead of its first pose."""
VIEW_TILT = np.radians(12.0)
HALF_WIDTH, BELOW, ABOVE = 1.0, 0.25, 2.05
"""Metres that a panel shows left and right of the pelvis, below the floor and above it."""
_LEFT, _RIGHT, _MIDDLE = np.array([0.25, 0.5, 0.85]), np.array([0.9, 0.45, 0.2]), np.full(3, 0.45)
_RADIUS = {"hip": 0.085, "knee": 0.06, "ankle": 0.05, "elbow": 0.042, "wrist": 0.036}
_THIN, _TORSO, _HEAD = 0.05, 0.1, 0.1
_HEAD_JOINT = joint_index("head")


def _camera(heading: float) -> np.ndarray:
    """World to view axes ``[3, 3]``: x right, y up, z towards the camera."""
    turn = rotation_about("y", np.array(-(heading + VIEW_TURN)))
    return rotation_about("x", np.array(VIEW_TILT)) @ turn


def first_heading(x: np.ndarray) -> float:
    """Direction about +Y that the pelvis of the first frame faces (rad)."""
    _, rotations = motion135.unpack(x[:1])
    forward = rotations[0, 0] @ np.array([0.0, 0.0, 1.0])
    return float(np.arctan2(forward[0], forward[2]))


def _bones() -> list[tuple[int, int, float, np.ndarray]]:
    out = []
    for child, parent in enumerate(PARENTS):
        if parent < 0:
            continue
        name = JOINT_NAMES[child]
        key = name.removeprefix("left_").removeprefix("right_")
        # the bone that ends in a knee is a thigh, and so on
        radius = {"knee": _RADIUS["hip"], "ankle": _RADIUS["knee"], "elbow": 0.048}.get(key, _THIN)
        radius = _RADIUS["wrist"] if key == "wrist" else radius
        radius = _TORSO if key.startswith("spine") or key == "neck" else radius
        colour = _LEFT if name.startswith("left") else _RIGHT if name.startswith("right") else None
        out.append((parent, child, radius, _MIDDLE if colour is None else colour))
    return out


def _grid(axes: Any, view: np.ndarray, centre: np.ndarray) -> None:
    """Half-metre floor lines that stay put in the world while the camera follows."""
    middle = np.round(centre[[0, 2]] * 2) / 2
    for k in np.arange(-1.5, 1.51, 0.5):
        for a, b in (
            ((k, -1.5), (k, 1.5)),
            ((-1.5, k), (1.5, k)),
        ):
            ends = np.array([[middle[0] + p[0], 0.0, middle[1] + p[1]] for p in (a, b)])
            flat = (ends - centre) @ view.T
            axes.plot(flat[:, 0], flat[:, 1], color="0.82", linewidth=0.6, zorder=-50)


def draw_frame(axes: Any, frame: np.ndarray, heading: float) -> None:
    """Draw one row of motion_135 ``[135]`` into matplotlib axes."""
    root, rotations = motion135.unpack(frame[None].astype(np.float64))
    joints = forward_kinematics(rotations, root)[0]
    world = global_rotations(rotations)[0]
    view = _camera(heading)
    centre = np.array([joints[0, 0], 0.0, joints[0, 2]])
    seen = (joints - centre) @ view.T
    axes.set_xlim(-HALF_WIDTH, HALF_WIDTH)
    axes.set_ylim(-BELOW, ABOVE)
    axes.set_aspect("equal")
    axes.axis("off")
    _grid(axes, view, centre)
    width = axes.get_window_extent().width / axes.figure.dpi * 72
    points = width / (2 * HALF_WIDTH)
    _shadow(axes, joints, centre, view, points)
    for parent, child, radius, colour in _bones():
        pair = seen[[parent, child]]
        depth = pair[:, 2].mean()
        shade = np.clip(0.9 + 0.45 * depth, 0.55, 1.1)
        style = {"solid_capstyle": "round", "linewidth": 2 * radius * points}
        edge = {**style, "linewidth": 2 * radius * points + 1.2}
        axes.plot(pair[:, 0], pair[:, 1], color="0.15", zorder=10 * depth, **edge)
        fill = np.clip(colour * shade, 0, 1)
        axes.plot(pair[:, 0], pair[:, 1], color=fill, zorder=10 * depth + 0.001, **style)
    _head(axes, seen[_HEAD_JOINT], world[_HEAD_JOINT], view, points)


def _shadow(
    axes: Any, joints: np.ndarray, centre: np.ndarray, view: np.ndarray, points: float
) -> None:
    ground = joints.copy()
    ground[:, 1] = 0
    flat = (ground - centre) @ view.T
    for parent, child, radius, _ in _bones():
        pair = flat[[parent, child]]
        axes.plot(
            pair[:, 0],
            pair[:, 1],
            color="0.7",
            linewidth=1.4 * radius * points,
            solid_capstyle="round",
            zorder=-40,
        )


def _head(
    axes: Any, place: np.ndarray, rotation: np.ndarray, view: np.ndarray, points: float
) -> None:
    up = view @ (rotation @ np.array([0.0, 0.06, 0.02]))
    nose = view @ (rotation @ np.array([0.0, 0.05, 0.15]))
    middle, tip = place + up, place + nose
    axes.plot(
        *middle[:2],
        marker="o",
        markersize=2 * _HEAD * points,
        color=np.full(3, 0.6),
        markeredgecolor="0.15",
        zorder=10 * middle[2],
    )
    axes.plot(
        [middle[0], tip[0]],
        [middle[1], tip[1]],
        color="0.1",
        linewidth=0.05 * points,
        solid_capstyle="round",
        zorder=10 * tip[2],
    )

"""Where to put a camera so that a whole motion is in the picture (numpy only, Blender axes)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..backend_access import JOINT_NAMES

ORBIT_DEGREES = 32.0
"""How far the camera stands from straight in front of the character."""
PITCH_DEGREES = 9.0
"""How far it looks down."""
MARGIN = 1.10
"""Free space around the motion, as a factor of the picture's size."""
FOLLOW_RATIO = 1.25
"""Follow the character when a still camera would stand this much farther away."""
FOLLOW_SECONDS = 0.6
"""Standard deviation of the smoothing of the followed path."""

_REACH = {"head": 0.26, "left_wrist": 0.20, "right_wrist": 0.20, "left_foot": 0.12}
_BODY_REACH = 0.13
"""How far the body extends from a joint, in metres on the neutral body."""


@dataclass(frozen=True)
class CameraPath:
    """A camera that keeps its direction.

    Attributes:
        positions: ``[T, 3]``, or ``[1, 3]`` for a camera that stands still.
        rotation: ``[3, 3]`` columns are the camera's right, up and backward axes in the world.
    """

    positions: np.ndarray
    rotation: np.ndarray

    @property
    def still(self) -> bool:
        """Whether the camera does not move."""
        return len(self.positions) == 1


def facing_direction(joints: np.ndarray) -> np.ndarray:
    """Unit ``[3]`` ground direction that the character faces for most of a motion.

    Args:
        joints: ``[T, 22, 3]`` with Z up. A character that turns all the way round faces where it
            did at first.
    """
    at = JOINT_NAMES.index
    left = joints[:, at("left_hip")] - joints[:, at("right_hip")]
    left = left + joints[:, at("left_shoulder")] - joints[:, at("right_shoulder")]
    forward = np.cross(left, [0.0, 0.0, 1.0])
    forward /= np.maximum(np.linalg.norm(forward, axis=-1, keepdims=True), 1e-9)
    mean = forward.mean(0)
    if np.linalg.norm(mean) < 0.5:
        mean = forward[0]
    if np.linalg.norm(mean) < 1e-6:  # lying on the side at first: any direction will do
        return np.array([0.0, -1.0, 0.0])
    return mean / np.linalg.norm(mean)


def camera_path(
    joints: np.ndarray, fps: float, half_width: float, half_height: float, scale: float = 1.0
) -> CameraPath:
    """A three-quarter front view of a whole motion; follows the character along long paths.

    Args:
        joints: ``[T, 22, 3]`` world positions, Z up. scale: size of the body against the neutral.
        half_width, half_height: tangents of half the camera's angles of view.
    """
    rotation = _camera_rotation(facing_direction(joints))
    reach = scale * np.array([_REACH.get(name, _BODY_REACH) for name in JOINT_NAMES])
    view = (half_width / MARGIN, half_height / MARGIN)
    still = _fit(joints, reach, rotation, *view)
    ground = np.array([1.0, 1.0, 0.0])
    followed = _smooth(joints[:, 0] * ground, FOLLOW_SECONDS * fps)
    local = _fit(joints - followed[:, None], reach, rotation, *view)
    centre = joints.mean((0, 1))
    far = (still - centre) @ rotation[:, 2]
    near = (local - (centre - followed.mean(0))) @ rotation[:, 2]
    if far <= FOLLOW_RATIO * near:
        return CameraPath(still[None], rotation)
    return CameraPath(followed + local, rotation)


def _camera_rotation(facing: np.ndarray) -> np.ndarray:
    """Camera axes for a view of the character's front from its left, a little from above."""
    orbit, pitch = np.radians(ORBIT_DEGREES), np.radians(PITCH_DEGREES)
    c, s = np.cos(orbit), np.sin(orbit)
    away = np.array([c * facing[0] - s * facing[1], s * facing[0] + c * facing[1], 0.0])
    backward = np.cos(pitch) * away + np.array([0.0, 0.0, np.sin(pitch)])
    right = np.cross([0.0, 0.0, 1.0], away)
    return np.stack([right, np.cross(backward, right), backward], axis=1)


def _fit(
    joints: np.ndarray, reach: np.ndarray, rotation: np.ndarray, tan_x: float, tan_y: float
) -> np.ndarray:
    """Nearest camera position ``[3]`` from which every joint's ball lies inside the view.

    For each pair of opposite sides of the view pyramid the two supporting planes of the points
    fix the camera's place across and its distance in closed form.
    """
    points = joints @ rotation
    radius = np.broadcast_to(reach, points.shape[:-1])
    place, distance = np.zeros(2), np.empty(2)
    for axis, tangent in enumerate((tan_x, tan_y)):
        across, toward = points[..., axis], tangent * points[..., 2]
        ball = radius * np.hypot(1.0, tangent)
        high = (across + toward + ball).max()
        low = (-across + toward + ball).max()
        place[axis] = (high - low) / 2
        distance[axis] = (high + low) / (2 * tangent)
    return rotation @ np.array([place[0], place[1], distance.max()])


def _smooth(path: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian smoothing of ``[T, 3]`` with mirrored ends, so the camera starts without a jerk."""
    reach = min(int(3 * sigma), len(path) - 1)
    if reach < 1:
        return path
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()
    start = 2 * path[0] - path[reach:0:-1]
    end = 2 * path[-1] - path[-2 : -reach - 2 : -1]
    padded = np.concatenate([start, path, end])
    return np.stack([np.convolve(padded[:, i], weights, mode="valid") for i in range(3)], -1)

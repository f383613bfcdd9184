"""The camera sees the whole motion from the front, near enough to see it well."""

from __future__ import annotations

import numpy as np
import pytest

from backend.motion import rotations
from backend.motion.retarget import rest_heads, smpl_to_blender
from blender_addon.core import framing

WIDE, HIGH = 0.36, 0.36 * 9 / 16


def moving(path: np.ndarray, heading: float = 0.0) -> np.ndarray:
    """The rest body, turned by ``heading`` about Z, carried along ``path [T, 3]``."""
    body = smpl_to_blender(rest_heads())
    body = body @ rotations.rotation_about("z", np.array(heading)).T
    return body[None] + path[:, None]


def project(joints: np.ndarray, path: framing.CameraPath) -> np.ndarray:
    """Picture coordinates ``[T, 22, 2]``; the picture's edge is at 1."""
    local = (joints - path.positions[:, None]) @ path.rotation
    assert (local[..., 2] < 0).all(), "behind the camera"
    return local[..., :2] / -local[..., 2:] / [WIDE, HIGH]


@pytest.mark.parametrize("heading", [0.0, 1.0, 2.5, -2.0])
@pytest.mark.parametrize("distance", [0.0, 1.0, 3.0, 8.0, 40.0])
def test_all_of_the_motion_is_in_the_picture(distance: float, heading: float) -> None:
    t = np.linspace(0, 1, 120)[:, None]
    joints = moving(t * distance * np.array([np.sin(heading), -np.cos(heading), 0]), heading)
    path = framing.camera_path(joints, 30.0, WIDE, HIGH)
    seen = np.abs(project(joints, path)).max()
    assert 0.5 < seen < 1.0


def test_a_short_path_is_watched_from_one_place_and_a_long_one_is_followed() -> None:
    t = np.linspace(0, 1, 150)[:, None]
    assert framing.camera_path(moving(t * [0, -1.0, 0]), 30.0, WIDE, HIGH).still
    followed = framing.camera_path(moving(t * [0, -15.0, 0]), 30.0, WIDE, HIGH)
    assert not followed.still and len(followed.positions) == 150
    assert np.abs(np.diff(followed.positions, 2, axis=0)).max() < 0.01  # without a jerk
    assert np.ptp(followed.positions[:, 2]) < 1e-9


@pytest.mark.parametrize("heading", [0.0, 0.7, 3.0])
def test_the_camera_stands_in_front(heading: float) -> None:
    joints = moving(np.zeros((10, 3)), heading)
    facing = framing.facing_direction(joints)
    assert facing @ [np.sin(heading), -np.cos(heading), 0] > 0.99
    path = framing.camera_path(joints, 30.0, WIDE, HIGH)
    toward_camera = path.positions[0] - joints[0].mean(0)
    toward_camera /= np.linalg.norm(toward_camera)
    assert 0.7 < toward_camera @ facing < 0.95  # three-quarter view
    assert toward_camera[2] > 0
    assert np.abs(path.rotation.T @ path.rotation - np.eye(3)).max() < 1e-12
    assert np.linalg.det(path.rotation) == pytest.approx(1.0)


def test_a_character_that_turns_round_is_seen_from_where_it_faced_first() -> None:
    body = smpl_to_blender(rest_heads())
    spin = rotations.rotation_about("z", np.linspace(0, 2 * np.pi, 100))
    assert framing.facing_direction(body @ spin.swapaxes(-1, -2)) @ [0, -1, 0] > 0.99


def test_one_frame_and_lying_down_are_framed_too() -> None:
    lying = rest_heads()[None] * [1, 1, 1]  # Y-up read as Z-up: flat on the back
    path = framing.camera_path(lying, 30.0, WIDE, HIGH)
    assert path.still and np.abs(project(lying, path)).max() < 1


def test_a_giant_is_seen_from_farther_away() -> None:
    small = framing.camera_path(moving(np.zeros((1, 3))), 30.0, WIDE, HIGH)
    large = framing.camera_path(10 * moving(np.zeros((1, 3))), 30.0, WIDE, HIGH, scale=10.0)
    assert np.abs(large.positions - 10 * small.positions).max() < 1e-9

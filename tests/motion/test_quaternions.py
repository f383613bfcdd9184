"""The add-on's quaternion arithmetic against the backend's and against matrices."""

from __future__ import annotations

import numpy as np
import pytest

from backend.motion import quaternions as q
from backend.motion import rotations

ORDERS = ("XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX")


@pytest.fixture
def random_rotations() -> np.ndarray:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(500, 3)) * rng.uniform(0, 3.1, (500, 1))
    half_turns = np.pi * np.eye(3)
    return rotations.axis_angle_to_matrix(np.concatenate([vectors, half_turns, np.zeros((1, 3))]))


def axis_rotation(axis: int, angle: np.ndarray) -> np.ndarray:
    return rotations.rotation_about("xyz"[axis], angle)


def smooth_path(frames: int = 400) -> np.ndarray:
    """Quaternions that tumble through many turns in small steps."""
    t = np.linspace(0, 1, frames)
    spin = rotations.rotation_about("y", 14 * t) @ rotations.rotation_about("x", 5 * np.sin(3 * t))
    return q.make_continuous(q.from_matrix(spin @ rotations.rotation_about("z", 9 * t)))


def test_matrices_round_trip(random_rotations: np.ndarray) -> None:
    found = q.from_matrix(random_rotations)
    assert np.abs(q.to_matrix(found) - random_rotations).max() < 1e-12
    assert np.abs(found - rotations.matrix_to_quaternion(random_rotations)).max() < 1e-12


def test_rot6d_is_the_layout_of_motion_135(random_rotations: np.ndarray) -> None:
    rot6d = rotations.matrix_to_rot6d_interleaved(random_rotations)
    assert np.abs(q.to_matrix(q.from_rot6d(rot6d)) - random_rotations).max() < 1e-12


def test_rot6d_of_a_model_is_made_orthonormal_like_in_the_backend() -> None:
    rough = np.random.default_rng(1).normal(size=(200, 6))
    want = rotations.rot6d_interleaved_to_matrix(rough)
    assert np.abs(q.to_matrix(q.from_rot6d(rough)) - want).max() < 1e-12


def test_multiply_composes_like_matrices(random_rotations: np.ndarray) -> None:
    a, b = random_rotations[:-1], random_rotations[1:]
    product = q.multiply(q.from_matrix(a), q.from_matrix(b))
    assert np.abs(q.to_matrix(product) - a @ b).max() < 1e-12
    inverse = q.multiply(q.from_matrix(a), q.conjugate(q.from_matrix(a)))
    assert np.abs(np.abs(inverse[:, 0]) - 1).max() < 1e-12


def test_make_continuous_only_flips_signs() -> None:
    path = smooth_path()
    flipped = path * np.where(np.random.default_rng(2).random((len(path), 1)) < 0.5, -1, 1)
    fixed = q.make_continuous(flipped)
    assert (np.einsum("ti,ti->t", fixed[1:], fixed[:-1]) > 0).all()
    assert np.abs(np.abs(fixed) - np.abs(path)).max() == 0


def test_slerp_takes_the_short_way_at_even_speed() -> None:
    start = q.from_matrix(np.eye(3))[None]
    end = -q.from_matrix(rotations.rotation_about("x", np.array([2.0])))
    for weight in (0.0, 0.25, 0.5, 1.0):
        turned = q.to_matrix(q.slerp(start, end, np.array([weight])))
        want = rotations.rotation_about("x", np.array([2.0 * weight]))
        assert np.abs(turned - want).max() < 1e-12


@pytest.mark.parametrize("order", ORDERS)
def test_euler_angles_give_the_same_rotation_in_every_order(
    order: str, random_rotations: np.ndarray
) -> None:
    angles = q.to_euler(q.from_matrix(random_rotations), order)
    turned = np.eye(3)
    for letter in order:  # Blender: the first letter turns first
        axis = "XYZ".index(letter)
        turned = axis_rotation(axis, angles[:, axis]) @ turned
    assert np.abs(turned - random_rotations).max() < 1e-6


@pytest.mark.parametrize("order", ORDERS)
def test_euler_angles_do_not_jump(order: str) -> None:
    angles = q.to_euler(smooth_path(4000), order)
    # near gimbal lock two channels may legitimately turn fast; a jump would be about pi
    assert np.abs(np.diff(angles, axis=0)).max() < 2.0


def test_euler_angles_survive_gimbal_lock() -> None:
    locked = rotations.rotation_about("y", np.full(5, np.pi / 2))
    angles = q.to_euler(q.from_matrix(locked), "XYZ")
    assert np.isfinite(angles).all()
    turned = axis_rotation(2, angles[:, 2]) @ axis_rotation(1, angles[:, 1])
    assert np.abs(turned @ axis_rotation(0, angles[:, 0]) - locked).max() < 1e-6


def test_axis_angle_keeps_counting_turns() -> None:
    turns = rotations.rotation_about("z", np.linspace(0, 4, 50))
    channels = q.to_axis_angle(q.make_continuous(q.from_matrix(turns)))
    assert np.abs(channels[1:, 3] - 1).max() < 1e-6
    assert np.abs(channels[:, 0] - np.linspace(0, 4, 50)).max() < 1e-6
    assert np.abs(np.diff(channels[:, 0])).max() < 0.1

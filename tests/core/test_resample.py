"""Resampling for keyframes: true to time, unchanged where nothing needs to change."""

from __future__ import annotations

import numpy as np
import pytest

from backend.motion import resample as backend_resample
from backend.motion.representations import motion135
from blender_addon.core import quaternions
from blender_addon.core.resample import frame_count, resample
from blender_addon.core.retarget import unpack


def spin(frames: int, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """A steady turn about Y at 2 rad/s while moving along X at 3 m/s."""
    t = np.arange(frames) / fps
    half = t[:, None]  # half the angle
    rotations = np.concatenate([np.cos(half), 0 * half, np.sin(half), 0 * half], -1)[:, None]
    return rotations, np.stack([3 * t, 0 * t, 0 * t], -1)


@pytest.mark.parametrize("fps", [12.0, 23.976, 24.0, 25.0, 29.97, 48.0, 59.94, 60.0, 120.0])
def test_samples_lie_where_the_motion_is_at_that_time(fps: float) -> None:
    rotations, positions = spin(91, 30.0)
    turned, moved = resample(rotations, positions, 30.0, fps)
    t = np.minimum(np.arange(len(moved)) / fps, 3.0)
    assert np.abs(moved[:, 0] - 3 * t).max() < 1e-9
    angle = 2 * np.arctan2(turned[:, 0, 2], turned[:, 0, 0])
    assert np.abs((angle - 2 * t + np.pi) % (2 * np.pi) - np.pi).max() < 1e-9
    assert abs((len(moved) - 1) / fps - 3.0) <= 0.5 / fps + 1e-9


def test_same_rate_changes_nothing() -> None:
    rotations, positions = spin(77, 30.0)
    turned, moved = resample(rotations, positions, 30.0, 30.0)
    assert (turned == rotations).all() and (moved == positions).all()


def test_double_rate_keeps_every_source_frame() -> None:
    rotations, positions = spin(40, 30.0)
    turned, moved = resample(rotations, positions, 30.0, 60.0)
    assert len(moved) == 79
    assert np.abs(turned[::2] - rotations).max() < 1e-12
    assert (moved[::2] == positions).all()


def test_one_frame_stays_one() -> None:
    rotations, positions = spin(1, 30.0)
    turned, _ = resample(rotations, positions, 30.0, 24.0)
    assert turned.shape == (1, 1, 4)
    assert frame_count(1, 30.0, 120.0) == 1


@pytest.mark.parametrize("fps", [24.0, 50.0, 60.0])
def test_agrees_with_the_backend(clip: np.ndarray, fps: float) -> None:
    root, rotations = unpack(clip)
    turned, moved = resample(rotations, root, 30.0, fps)
    other = backend_resample.resample_motion135(clip, 30.0, fps)
    want_root, want = motion135.unpack(other)
    count = min(len(moved), len(want_root))
    assert abs(len(moved) - len(want_root)) <= 1
    inside = slice(0, count - 1)  # the two may end differently, within one frame
    assert np.abs(moved[inside] - want_root[inside]).max() < 1e-6
    assert np.abs(quaternions.to_matrix(turned[inside]) - want[inside]).max() < 1e-6

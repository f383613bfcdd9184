"""Frame-rate changes keep the time, the rotations and the ends."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from backend.errors import FormatError
from backend.motion import resample
from backend.motion.representations import motion135
from backend.motion.rotations import rotation_about
from backend.motion.skeleton import NUM_JOINTS

MotionMaker = Callable[..., np.ndarray]


@pytest.mark.parametrize("target", [12, 20, 24, 25, 29.97, 30, 60, 120])
def test_duration_and_ends_are_kept(target: float, make_motion: MotionMaker) -> None:
    clip = make_motion(47)
    out = resample.resample_motion135(clip, 30, target)
    np.testing.assert_allclose(out[0], clip[0], atol=1e-12)
    assert abs((len(out) - 1) / target - 46 / 30) <= 0.5 / target + 1e-9
    end = resample.resample_at(clip, np.array([min(46.0, (len(out) - 1) * 30 / target)]))
    np.testing.assert_allclose(out[-1], end[0], atol=1e-12)


def test_constant_speed_turn_stays_constant_and_true_to_time() -> None:
    angle = np.linspace(0.0, 5.0, 21)
    rotations = np.tile(np.eye(3), (21, NUM_JOINTS, 1, 1))
    rotations[:, 4] = rotation_about("x", angle)
    root = np.stack([np.linspace(0, 2, 21), np.ones(21), np.zeros(21)], -1)
    out = resample.resample_motion135(motion135.pack(root, rotations), 20, 50)
    new_root, new_rotations = motion135.unpack(out)
    time = np.arange(len(out)) / 50
    np.testing.assert_allclose(new_root[:, 0], 2.0 * time, atol=1e-12)
    np.testing.assert_allclose(new_rotations[:, 4], rotation_about("x", 5.0 * time), atol=1e-12)


def test_there_and_back_at_a_multiple_is_exact(make_motion: MotionMaker) -> None:
    clip = make_motion(30)
    fast = resample.resample_motion135(clip, 30, 120)
    np.testing.assert_allclose(resample.resample_motion135(fast, 120, 30), clip, atol=1e-12)


def test_asked_number_of_frames_holds_the_last_pose(make_motion: MotionMaker) -> None:
    clip = make_motion(10)
    out = resample.resample_motion135(clip, 30, 30, frames=13)
    assert out.shape == (13, 135)
    np.testing.assert_allclose(out[9:], np.tile(clip[-1], (4, 1)), atol=1e-12)


def test_single_frame_and_same_rate(make_motion: MotionMaker) -> None:
    clip = make_motion(1)
    np.testing.assert_allclose(resample.resample_motion135(clip, 30, 24), clip, atol=1e-12)
    same = resample.resample_motion135(clip, 30, 30)
    assert same is not clip
    np.testing.assert_array_equal(same, clip)


@pytest.mark.parametrize("rates", [(0, 30), (30, 0), (-1, 30), (30, float("nan"))])
def test_bad_rates_are_refused(rates: tuple[float, float], make_motion: MotionMaker) -> None:
    with pytest.raises(FormatError, match="frame rate"):
        resample.resample_motion135(make_motion(4), *rates)


def test_end_aligned_count_rounds_halves_to_even() -> None:
    assert len(resample.end_aligned_grid(39, 20, 30)) == 58
    assert len(resample.end_aligned_grid(41, 20, 30)) == 62


def test_centred_grid_picks_the_documented_frames() -> None:
    np.testing.assert_allclose(resample.centred_grid(9, 60, 20), [1, 4, 7])
    np.testing.assert_allclose(resample.centred_grid(12, 120, 20), [2.5, 8.5])

"""Loops close without a jump and keep travelling."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from backend.errors import FormatError, InvalidRequest
from backend.motion import edits, looping
from backend.motion.representations import motion135
from backend.motion.rotations import axis_angle_to_matrix, rotation_about

MotionMaker = Callable[..., np.ndarray]


def cycle(
    frames: int = 100, period: float = 40.0, bend: float = 0.3, drift: float = 0.1
) -> np.ndarray:
    """A made-up walk on an arc: limbs swing with ``period``, and slowly lean by ``drift``."""
    rng = np.random.default_rng(0)
    time = np.arange(frames)[:, None, None]
    phase = rng.uniform(0, 2 * np.pi, (22, 3))
    swing = rng.uniform(0.1, 0.4, (22, 3)) * np.sin(2 * np.pi * time / period + phase)
    rotations = axis_angle_to_matrix(swing + drift * time / frames)
    angle = bend * np.arange(frames) / 30
    rotations[:, 0] = rotation_about("y", angle) @ rotations[:, 0]
    root = np.stack([np.sin(angle), 0.9 + 0 * angle, np.cos(angle)], -1) / bend
    return motion135.pack(root, rotations)


def test_a_loop_hides_its_seam() -> None:
    x = cycle()
    start, stop = looping.best_cut(x)
    cut = x[start:stop]
    # the period, with the blend on top
    assert (stop - start - 9) % 40 in (38, 39, 0, 1, 2)
    before, after = looping.make_loop(cut[:-9], seconds=0.0).seam(), looping.make_loop(cut).seam()
    assert after["acceleration_m_s2"] < 1.5 * after["usual_acceleration_m_s2"]
    assert after["jump_cm"] < 0.3 * before["jump_cm"]
    assert before["acceleration_m_s2"] > 3 * after["acceleration_m_s2"]


def test_the_next_repetition_goes_on_where_the_clip_did() -> None:
    x = cycle()[:52]
    loop = looping.make_loop(x, seconds=0.4)
    assert loop.data.shape == (40, 135)
    np.testing.assert_allclose(loop.repeat(2)[40], x[40], atol=1e-9)
    np.testing.assert_array_equal(loop.data[12:], x[12:40])
    travelled = edits.heading(loop.repeat(3))[[0, 40, 80]]
    assert np.diff(travelled) == pytest.approx(loop.turn)
    assert loop.turn == pytest.approx(0.3 * 40 / 30, abs=0.05)
    assert len(loop.repeat(3)) == 120


def test_single_precision_stays() -> None:
    x = cycle().astype(np.float32)
    loop = looping.make_loop(x)
    assert loop.data.dtype == np.float32 and loop.repeat(2).dtype == np.float32
    still = x.copy()
    looping.make_loop(x)
    np.testing.assert_array_equal(x, still)


def test_an_exact_cycle_stays_as_it_is() -> None:
    x = cycle(frames=89, drift=0.0)[:49]
    loop = looping.make_loop(x, seconds=0.3)
    np.testing.assert_allclose(motion135.joints(loop.data), motion135.joints(x[:40]), atol=1e-3)


def test_refusals() -> None:
    x = cycle(30)
    for wrong in (0.5, -0.1, 3.0):
        with pytest.raises(InvalidRequest, match="blend"):
            looping.make_loop(x, seconds=wrong)
    with pytest.raises(InvalidRequest, match="too short"):
        looping.best_cut(x, shortest=1.0)
    with pytest.raises(FormatError):
        looping.make_loop(x[:, :134])

"""Before and after: each clean-up step moves the measure that it is for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from backend.evaluation.cleanup_report import clip_measures, compare
from backend.motion import cleanup, edits
from backend.wire.skeleton import SOLE_HEIGHT


@pytest.fixture
def spoilt(make_motion: Callable[..., np.ndarray]) -> np.ndarray:
    """A clip away from the origin, above the ground, facing anywhere, shaking."""
    rng = np.random.default_rng(0)
    x = edits.align_heading(make_motion(90, turns=0.05), 1.3)
    x[:, :3] += np.array([2.0, 0.3, -1.0]) + rng.normal(0, 0.002, (90, 3))
    return x + 0.004 * rng.normal(size=x.shape)


def test_alignment(spoilt: np.ndarray) -> None:
    changed = compare(spoilt, cleanup.align(spoilt, 0.25))
    assert changed["heading_deg"] == (
        pytest.approx(np.rad2deg(1.3), abs=1.0),
        pytest.approx(np.rad2deg(0.25)),
    )
    before, after = changed["start_offset_m"]
    assert before == pytest.approx(np.hypot(2, 1), abs=0.05) and after == pytest.approx(0, abs=1e-9)
    before, after = changed["standing_height_cm"]
    assert before > 30 and abs(after - 100 * SOLE_HEIGHT) < 5
    assert changed["travel_m"][0] == pytest.approx(changed["travel_m"][1])


def test_smoothing_and_in_place(spoilt: np.ndarray) -> None:
    before, after = compare(spoilt, cleanup.smooth(spoilt))["jerk_m_s3"]
    assert after < 0.5 * before
    assert clip_measures(edits.in_place(spoilt))["travel_m"] == 0.0

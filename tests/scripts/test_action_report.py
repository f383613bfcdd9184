from __future__ import annotations

import numpy as np
import pytest

from backend.motion.representations import motion135
from backend.motion.rotations import rotation_about
from scripts.starter.action_measures import distance, facing, interval, measured, spread
from scripts.starter.report_actions import Made, compared
from tests.training.described import standing, walking


def _turned(x: np.ndarray, angle: float) -> np.ndarray:
    root, rotations = motion135.unpack(x.astype(np.float64))
    turn = rotation_about("y", np.array(angle))
    rotations[:, 0] = turn @ rotations[:, 0]
    return motion135.pack(root @ turn.T, rotations)


def test_where_a_clip_faces_does_not_count() -> None:
    x = walking().data
    assert np.abs(facing(x) - facing(_turned(x, 1.1))).max() < 1e-5
    assert distance(x, _turned(x, -2.0)) < 1e-5


def test_spread_is_the_mean_of_all_pairs() -> None:
    a, b, c = walking().data, walking(60, 1.0, "right").data, standing().data
    pairs = [distance(a, b), distance(a, c), distance(b, c)]
    assert spread([a, b, c]) == pytest.approx(np.mean(pairs))
    assert np.isnan(spread([a]))


def test_measures_of_someone_who_glides_and_swings_an_arm() -> None:
    found = measured(walking(91, 1.2).data)
    assert found["speed"] == pytest.approx(1.2, rel=0.1)
    assert found["way"] == pytest.approx(3.6, abs=0.2)
    # one of two wrists goes round the shoulder, half a metre from it, at 2.4 rad/s at most
    assert 0.2 < found["hand_travel"] < 0.6 and found["elbow_speed"] < found["hand_travel"]
    assert measured(standing().data)["speed"] < 0.02


def test_a_model_that_repeats_the_clips_has_every_ratio_one() -> None:
    clips = [walking(60, s).data for s in (0.8, 1.0, 1.2, 1.4)]
    found = compared([Made("glide", "", x) for x in clips], {"glide": clips})
    for name, value in found["medians"].items():
        assert value == pytest.approx(1.0) or np.isnan(value), name
    assert found["per_label"]["glide"]["spread"] == 1.0


def test_the_interval_of_a_rate() -> None:
    low, high = interval(9, 10)  # Wilson 1927
    assert (low, high) == (pytest.approx(0.596, abs=0.002), pytest.approx(0.982, abs=0.002))
    assert interval(0, 0) == (0.0, 1.0)

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from backend.errors import InvalidRequest
from backend.pipelines.dit.compose import (
    OVERLAP_FRAMES,
    Window,
    WindowedDenoiser,
    plan_windows,
    window_weights,
)

LIMITS = {"min_frames": 20, "max_frames": 60}


def test_one_short_action_is_one_window() -> None:
    assert plan_windows(["a"], 60, **LIMITS) == [Window("a", 0, 60)]


@pytest.mark.parametrize("frames", [61, 100, 108, 109, 200, 1200])
def test_long_actions_are_covered(frames: int) -> None:
    windows = plan_windows(["a"], frames, **LIMITS)
    assert windows[0].start == 0
    assert windows[-1].end == frames
    assert all(20 <= w.length <= 60 for w in windows)
    overlaps = [a.end - b.start for a, b in pairwise(windows)]
    assert min(overlaps) >= OVERLAP_FRAMES
    assert max(overlaps) <= 30  # never more than two windows in one place


@pytest.mark.parametrize("frames", [60, 90, 157, 400])
def test_parts_share_the_time(frames: int) -> None:
    windows = plan_windows(["a", "b", "c"], frames, **LIMITS)
    assert [w.text for w in windows] == sorted(w.text for w in windows)
    assert {w.text for w in windows} == {"a", "b", "c"}
    assert windows[0].start == 0
    assert windows[-1].end == frames
    assert all(w.length <= 60 for w in windows)
    assert all(a.end - b.start >= OVERLAP_FRAMES for a, b in pairwise(windows))


def test_too_short_for_the_parts() -> None:
    with pytest.raises(InvalidRequest, match="3 actions") as caught:
        plan_windows(["a", "b", "c"], 59, **LIMITS)
    assert "longer" in caught.value.hint


@pytest.mark.parametrize(("parts", "frames"), [("ab", 80), ("a", 200), ("abc", 300)])
def test_weights_sum_to_one_and_ramp(parts: str, frames: int) -> None:
    windows = plan_windows(list(parts), frames, **LIMITS)
    weights = window_weights(windows, frames)
    total = torch.zeros(frames)
    for window, weight in zip(windows, weights, strict=True):
        assert len(weight) == window.length
        assert (weight > 0).all()
        total[window.start : window.end] += weight
    torch.testing.assert_close(total, torch.ones(frames))
    shared = windows[0].end - windows[1].start
    falling = weights[0][-shared:]
    assert (falling[1:] < falling[:-1]).all()
    steps = falling[:-1] - falling[1:]
    torch.testing.assert_close(steps, steps[:1].expand_as(steps))


def test_gaps_are_refused() -> None:
    with pytest.raises(ValueError, match="uncovered"):
        window_weights([Window("a", 0, 10), Window("b", 12, 10)], 22)


def test_predictions_are_crossfaded_per_canvas() -> None:
    plans = [[Window("a", 0, 40), Window("b", 28, 40)], [Window("c", 0, 30)]]
    seen = {}

    def net(x, t, y):
        seen["shape"], seen["t"], seen["x"] = tuple(x.shape), t.tolist(), x
        return y["value"][:, None, None].expand_as(x)

    y = {"value": torch.tensor([1.0, 3.0, 7.0])}
    denoise = WindowedDenoiser(net, plans, [68, 30], y)
    x = torch.arange(2 * 68 * 2.0).reshape(2, 68, 2)
    out = denoise(x, torch.tensor([5, 9]), {})
    assert seen["shape"] == (3, 40, 2)
    assert seen["t"] == [5, 5, 9]
    assert torch.equal(seen["x"][1], x[0, 28:68])
    assert torch.equal(seen["x"][2, :30], x[1, :30])
    assert (seen["x"][2, 30:] == 0).all()
    assert (out[0, :28] == 1).all()
    assert (out[0, 40:] == 3).all()
    blend = out[0, 28:40, 0]
    assert ((blend > 1) & (blend < 3)).all()
    assert (blend[1:] > blend[:-1]).all()
    assert (out[1, :30] == 7).all()
    assert (out[1, 30:] == 0).all()

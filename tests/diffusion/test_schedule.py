from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from backend.diffusion.schedule import (
    Schedule,
    evenly_spaced,
    log_snr_spaced,
    power_spaced,
    sectioned,
    strided,
)
from backend.errors import ArtifactError, InvalidRequest


@pytest.mark.parametrize("kind", ["cosine", "linear"])
@pytest.mark.parametrize("steps", [10, 100, 1000])
def test_signal_falls_from_nearly_one_to_nearly_zero(kind: str, steps: int) -> None:
    abar = Schedule(kind, steps).alphas_bar
    assert abar.dtype == torch.float64
    assert (abar[1:] < abar[:-1]).all()
    assert abar[0] > 0.7
    assert 0 <= abar[-1] < 1e-2


def test_q_sample_keeps_the_power_of_unit_data() -> None:
    schedule = Schedule("cosine", 100)
    source = torch.Generator().manual_seed(1)
    x0, noise = torch.randn(2, 100, 4000, generator=source)
    x_t = schedule.q_sample(x0, torch.arange(100), noise)
    assert x_t.dtype == torch.float32
    torch.testing.assert_close(x_t.std(dim=1), torch.ones(100), atol=0.06, rtol=0)
    correlation = (x_t * x0).mean(dim=1)
    torch.testing.assert_close(correlation, schedule.alphas_bar.sqrt().float(), atol=0.06, rtol=0)


def test_bad_configs_are_refused() -> None:
    with pytest.raises(ArtifactError, match="cosin"):
        Schedule("cosin", 100)
    for steps in (0, -3, 2.5, True):
        with pytest.raises(ArtifactError):
            Schedule("cosine", steps)  # type: ignore[arg-type]


def test_schedules_of_equal_config_are_equal_and_hashable() -> None:
    assert Schedule("cosine", 50) == Schedule(**Schedule("cosine", 50).to_dict())
    assert len({Schedule("cosine", 50), Schedule("cosine", 50), Schedule("linear", 50)}) == 2


@pytest.mark.parametrize("count", [1, 2, 7, 50, 100])
def test_even_spacing_has_the_count_and_starts_from_noise(count: int) -> None:
    chosen = evenly_spaced(100, count)
    assert len(set(chosen)) == count
    assert max(chosen) == 99
    assert list(chosen) == sorted(chosen)
    if count > 1:
        assert chosen[0] == 0


@pytest.mark.parametrize("kind", ["cosine", "linear"])
@pytest.mark.parametrize("count", [1, 2, 3, 10, 60, 99, 100])
def test_log_snr_spacing_has_the_count_and_both_ends(kind: str, count: int) -> None:
    chosen = log_snr_spaced(Schedule(kind, 100), count)
    assert len(set(chosen)) == count
    assert list(chosen) == sorted(chosen)
    assert chosen[-1] == 99
    assert count == 1 or chosen[0] == 0


def test_log_snr_spacing_is_nearly_even() -> None:
    schedule = Schedule("cosine", 1000)
    log_snr = torch.logit(schedule.alphas_bar[list(log_snr_spaced(schedule, 20))])[:-1]
    gaps = log_snr[:-1] - log_snr[1:]
    assert gaps.max() < 2 * gaps.min()


def test_too_many_steps_says_how_many_there_are() -> None:
    with pytest.raises(InvalidRequest, match="trained with 100") as caught:
        evenly_spaced(100, 101)
    with pytest.raises(InvalidRequest, match=r"is 2\.5"):
        evenly_spaced(100, 2.5)  # type: ignore[arg-type]
    assert "1 to 100" in caught.value.hint
    with pytest.raises(InvalidRequest):
        strided(100, 99)


def test_sections() -> None:
    assert sectioned(10, [2, 2]) == (0, 4, 5, 9)
    assert sectioned(7, [1, 1]) == (0, 4)
    assert strided(100, 10) == tuple(range(0, 100, 10))


def test_power_spacing_is_denser_at_the_noisy_end() -> None:
    assert power_spaced(1000, 25, 1.0) == evenly_spaced(1000, 25)
    steps = power_spaced(1000, 25, 2.0)
    assert steps[0] == 0 and steps[-1] == 999
    assert sum(t > 900 for t in steps) > 2 * sum(t > 900 for t in evenly_spaced(1000, 25))
    assert power_spaced(20, 20, 3.0) == tuple(range(20))


@pytest.mark.parametrize("power", [0.5, 1.5, 2.0, 4.0])
@pytest.mark.parametrize(("steps", "count"), [(1000, 900), (1000, 999), (100, 60), (50, 2), (9, 8)])
def test_power_spacing_has_exactly_the_count(steps: int, count: int, power: float) -> None:
    chosen = power_spaced(steps, count, power)
    assert len(chosen) == count
    assert all(a < b for a, b in pairwise(chosen))
    assert (chosen[0], chosen[-1]) == (0, steps - 1)

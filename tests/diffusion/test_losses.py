from __future__ import annotations

import pytest
import torch

from backend.diffusion.losses import (
    eps_loss,
    masked_mean_square,
    min_snr_weight,
    training_loss,
    x0_loss,
)
from backend.diffusion.schedule import Schedule
from backend.diffusion.steps import eps_from_x0

SCHEDULE = Schedule("cosine", 100)


@pytest.fixture
def batch():
    source = torch.Generator().manual_seed(0)
    x0, noise, error = torch.randn(3, 4, 6, 5, generator=source, dtype=torch.float64)
    return x0, noise, error, torch.tensor([5, 30, 60, 90])


def test_padding_counts_for_nothing() -> None:
    difference = torch.full((2, 4, 3), 2.0)
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 0]]).bool()
    difference[~mask] = 1e6
    assert masked_mean_square(difference, mask).item() == 4.0
    assert masked_mean_square(difference, mask, reduction="sample").tolist() == [4.0, 4.0]


def test_every_valid_frame_counts_the_same() -> None:
    difference = torch.zeros(2, 4, 1)
    difference[0, 0] = 1.0
    mask = torch.tensor([[1, 0, 0, 0], [1, 1, 1, 0]]).bool()
    assert masked_mean_square(difference, mask).item() == pytest.approx(1 / 4)
    assert masked_mean_square(difference, mask, reduction="sample").tolist() == [1.0, 0.0]


def test_weights_of_features() -> None:
    difference = torch.ones(1, 2, 2)
    weight = torch.tensor([3.0, 1.0])
    assert masked_mean_square(difference, weight=weight).item() == 2.0


def test_x0_loss_is_the_eps_loss_scaled(batch) -> None:
    """The same network error costs (1 - abar) / abar times as much as x0 as it does as noise."""
    x0, noise, error, t = batch
    x_t = SCHEDULE.q_sample(x0, t, noise)
    abar = SCHEDULE.alphas_bar[t]
    as_eps = eps_from_x0(x_t, x0 + error, abar[:, None, None])
    loss_x0 = x0_loss(x0 + error, x0, reduction="sample")
    loss_eps = eps_loss(as_eps, noise, reduction="sample")
    torch.testing.assert_close(loss_x0, (1 - abar) / abar * loss_eps)


@pytest.mark.parametrize("prediction", ["x0", "eps"])
def test_a_perfect_network_has_no_loss(batch, prediction: str) -> None:
    x0, noise, _, t = batch

    def perfect(x, steps, y):
        assert torch.equal(x, SCHEDULE.q_sample(x0, t, noise))
        return x0 if prediction == "x0" else noise

    options = {"schedule": SCHEDULE, "t": t, "noise": noise, "y": {}, "prediction": prediction}
    assert training_loss(perfect, x0, **options).item() == 0
    assert training_loss(lambda *a: perfect(*a) + 1, x0, **options).item() == pytest.approx(1)


def test_min_snr_weight_is_clamped_snr() -> None:
    weights = min_snr_weight(SCHEDULE, torch.tensor([0, 50, 99]), gamma=5.0)
    assert weights[0].item() == 5.0
    abar = SCHEDULE.alphas_bar[50]
    assert weights[1].item() == pytest.approx((abar / (1 - abar)).item(), rel=1e-5)
    assert weights[2] < 1e-3


def test_unknown_choices_are_refused(batch) -> None:
    x0, noise, error, t = batch
    with pytest.raises(ValueError, match="reduction"):
        masked_mean_square(error, reduction="sum")
    with pytest.raises(ValueError, match="prediction"):
        training_loss(
            lambda x, t, y: x, x0, schedule=SCHEDULE, t=t, noise=noise, y={}, prediction="v"
        )

"""Rectified flow in the one loop and the one masked loop, on data whose flow is known exactly."""

from __future__ import annotations

import itertools

import pytest
import torch

from backend.diffusion import Flow, Schedule, sample
from backend.diffusion.inpaint import Inpainting, sample_masked
from backend.diffusion.loop import seeded_generators
from backend.errors import Cancelled, InvalidRequest

MEAN, STD = 1.5, 0.4


def expected_data(x, t):
    """E[data | x_t] for data ~ N(MEAN, STD^2) and standard normal noise."""
    t = t.double().reshape(-1, 1, 1)
    return MEAN + t * STD**2 / (t**2 * STD**2 + (1 - t) ** 2) * (x - t * MEAN)


def velocity(x, t, y):
    return (expected_data(x, t) - x) / (1 - t.double().reshape(-1, 1, 1))


def start(rows=4):
    return torch.randn(rows, 16, 3, generator=torch.Generator().manual_seed(2)).double()


def error(sampler, steps, net=velocity, prediction="velocity"):
    """Distance from where the flow of this data ends: noise of height z goes to MEAN + STD z."""
    x = sample(
        net,
        (4, 16, 3),
        schedule=Flow(),
        sampler=sampler,
        steps=steps,
        y={},
        x_t=start(),
        noise=lambda: torch.zeros(()),
        prediction=prediction,
    )
    return float((x - (MEAN + STD * start())).abs().max())


def test_euler_is_of_first_and_heun_of_second_order() -> None:
    euler = [error("euler", n) for n in (40, 80, 160)]
    heun = [error("heun", n) for n in (40, 80, 160)]
    for coarse, fine in itertools.pairwise(euler):
        assert 1.7 < coarse / fine < 2.3
    for coarse, fine in itertools.pairwise(heun):
        assert 3.0 < coarse / fine < 5.0
    assert heun[0] < euler[-1] < 0.02


def test_euler_is_the_plain_sum_of_velocities() -> None:
    x = start().float()
    for i in range(6):
        t = torch.full((len(x),), i / 6)
        x = x + velocity(x, t, {}).float() / 6
    got = sample(
        lambda x, t, y: velocity(x, t, y).float(),
        (4, 16, 3),
        schedule=Flow(6),
        sampler="euler",
        y={},
        x_t=start().float(),
        noise=lambda: torch.zeros(()),
        prediction="velocity",
    )
    torch.testing.assert_close(got, x, rtol=0, atol=2e-6)


def test_predicted_data_and_predicted_velocity_are_the_same_flow() -> None:
    data = error("euler", 20, lambda x, t, y: expected_data(x, t), "x0")
    assert data == pytest.approx(error("euler", 20), abs=1e-6)


def test_each_kind_of_model_refuses_the_samplers_of_the_other() -> None:
    common = {"y": {}, "generator": torch.Generator()}
    with pytest.raises(InvalidRequest, match="does not fit this kind of model") as caught:
        sample(velocity, (1, 2, 3), schedule=Flow(), sampler="ddim", **common)
    assert "euler, heun" in caught.value.hint
    with pytest.raises(InvalidRequest, match="does not fit this kind of model"):
        sample(velocity, (1, 2, 3), schedule=Schedule(), sampler="heun", **common)
    with pytest.raises(InvalidRequest, match="Unknown sampler"):
        sample(velocity, (1, 2, 3), schedule=Flow(), sampler="magic", **common)
    for steps in (0, 2.5, [0.2, 1.0], [-0.1]):
        with pytest.raises(InvalidRequest):
            sample(velocity, (1, 2, 3), schedule=Flow(), sampler="euler", steps=steps, **common)


def test_progress_and_cancel() -> None:
    seen = []
    options = {"schedule": Flow(5), "sampler": "heun", "y": {}, "prediction": "velocity"}
    net = lambda x, t, y: velocity(x, t, y).float()  # noqa: E731
    sample(
        net,
        (1, 4, 3),
        generator=torch.Generator().manual_seed(0),
        on_step=lambda *a: seen.append(a),
        **options,
    )
    assert seen == [(i, 5) for i in range(6)]

    def stop(done, total):
        if done == 2:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        sample(net, (1, 4, 3), generator=torch.Generator(), on_step=stop, **options)


@pytest.mark.parametrize("sampler", ["euler", "heun"])
@pytest.mark.parametrize("restarts", [(), (0.5, 0.5)])
def test_masked_flow_keeps_the_known_part_and_pulls_the_rest_to_it(sampler, restarts) -> None:
    def follows(x, t, y):
        """Believes that data is constant over time: the velocity to the mean of what it sees."""
        flat = x.mean(dim=1, keepdim=True).expand_as(x)
        return (flat - x) / (1 - t.reshape(-1, 1, 1))

    def run(mask):
        return sample_masked(
            follows,
            (1, 40, 2),
            Inpainting(mask, torch.full((1, 40, 2), 1.5), restarts=restarts),
            schedule=Flow(),
            sampler=sampler,
            steps=25,
            y={},
            generator=seeded_generators(0, 1),
            prediction="velocity",
        )

    half = torch.zeros(1, 40, 2, dtype=torch.bool)
    half[:, :20] = True
    x, raw = run(half)
    assert torch.equal(x[:, :20], torch.full((1, 20, 2), 1.5))
    free, _ = run(torch.zeros_like(half))
    assert (x[:, 20:] - 1.5).abs().max() < (free[:, 20:] - 1.5).abs().max()
    assert raw.shape == x.shape and torch.isfinite(raw).all()

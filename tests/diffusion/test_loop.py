"""The loop on data whose best denoiser is known in closed form."""

from __future__ import annotations

import pytest
import torch

from backend.diffusion import Schedule, sample
from backend.diffusion.loop import resolve_timesteps, seeded_generators
from backend.diffusion.steps import eps_from_x0
from backend.errors import Cancelled, InvalidRequest

MEAN, STD = 1.5, 0.4
SCHEDULE = Schedule("cosine", 100)


def gaussian_x0(x, t, y):
    """E[x0 | x_t] for x0 ~ N(MEAN, STD^2): the exact denoiser."""
    abar = SCHEDULE.alphas_bar[t].float().reshape(-1, *([1] * (x.dim() - 1)))
    gain = abar.sqrt() * STD**2 / (abar * STD**2 + 1 - abar)
    return MEAN + gain * (x - abar.sqrt() * MEAN)


def gaussian_eps(x, t, y):
    abar = SCHEDULE.alphas_bar[t].reshape(-1, *([1] * (x.dim() - 1)))
    return eps_from_x0(x, gaussian_x0(x, t, y), abar)


def run(net=gaussian_x0, shape=(8, 60, 50), seed=0, **options):
    options.setdefault("generator", torch.Generator().manual_seed(seed))
    return sample(net, shape, schedule=SCHEDULE, y={}, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"sampler": "ddpm"},
        {"sampler": "ddim"},
        {"sampler": "ddim", "steps": 25},
        {"sampler": "ddim", "eta": 1.0},
        {"sampler": "dpmpp", "steps": 15},
        {"sampler": "ddim", "net": gaussian_eps, "prediction": "eps"},
    ],
)
def test_samples_have_the_distribution_of_the_data(options) -> None:
    x = run(**options)
    assert abs(x.mean().item() - MEAN) < 0.02
    assert abs(x.std().item() - STD) < 0.03


def test_second_order_is_closer_to_the_exact_solution_than_ddim() -> None:
    start = torch.randn(1, 200, 3, generator=torch.manual_seed(0))
    abar = float(SCHEDULE.alphas_bar[-1])
    scale = (abar * STD**2 + 1 - abar) ** 0.5
    exact = MEAN + STD * (start - abar**0.5 * MEAN) / scale
    errors = {
        name: (run(shape=start.shape, x_t=start, sampler=name, steps=12) - exact).abs().mean()
        for name in ("ddim", "dpmpp")
    }
    assert errors["dpmpp"] < 0.2 * errors["ddim"]


@pytest.mark.parametrize("sampler", ["ddim", "ddpm", "dpmpp"])
def test_same_seed_same_sample(sampler: str) -> None:
    first, second, other = (run(sampler=sampler, seed=s, steps=5) for s in (3, 3, 4))
    assert torch.equal(first, second)
    assert not torch.allclose(first, other)


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_a_sample_does_not_depend_on_its_batch(sampler: str) -> None:
    """Row i of a batch of different lengths equals the clip made alone with seed + i."""
    lengths = [7, 12, 9]
    batch = run(
        shape=(3, 12, 4),
        sampler=sampler,
        steps=10,
        eta=0.3,
        generator=seeded_generators(5, 3),
        lengths=lengths,
    )
    for row, length in enumerate(lengths):
        alone = run(
            shape=(1, length, 4),
            sampler=sampler,
            steps=10,
            eta=0.3,
            generator=seeded_generators(5 + row, 1),
            lengths=[length],
        )
        assert torch.equal(batch[row, :length], alone[0])


def test_global_random_state_is_left_alone() -> None:
    torch.manual_seed(11)
    before = torch.get_rng_state()
    run(sampler="ddpm", steps=3)
    assert torch.equal(before, torch.get_rng_state())


def test_progress_and_cancel() -> None:
    seen = []
    run(steps=4, on_step=lambda done, total: seen.append((done, total)))
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]

    calls = []

    def net(x, t, y):
        calls.append(int(t[0]))
        return gaussian_x0(x, t, y)

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise Cancelled("The job was cancelled.")

    with pytest.raises(Cancelled):
        run(net, steps=4, on_step=stop)
    assert calls == [99, 66]


def test_transform_edits_every_prediction() -> None:
    def keep_first_frame(x0, t):
        x0 = x0.clone()
        x0[:, 0] = 9.0
        return x0

    x = run(steps=5, transform_x0=keep_first_frame)
    assert (x[:, 0] == 9.0).all()
    assert abs(x[:, 1:].mean().item() - MEAN) < 0.05


def test_steps_may_be_listed() -> None:
    assert resolve_timesteps(SCHEDULE, None) == list(range(99, -1, -1))
    for listed in ([3, 50, 99], range(3, 100, 48), torch.tensor([3, 51, 99])):
        assert resolve_timesteps(SCHEDULE, listed) == sorted(map(int, listed), reverse=True)
    with pytest.raises(InvalidRequest):
        resolve_timesteps(SCHEDULE, [3, 100])


def test_bad_use_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="euler"):
        run(sampler="euler")
    with pytest.raises(InvalidRequest, match="101"):
        run(steps=101)
    with pytest.raises(ValueError, match="generator"):
        sample(gaussian_x0, (1, 2, 3), schedule=SCHEDULE, y={})
    with pytest.raises(ValueError, match="2 generators"):
        run(generator=seeded_generators(0, 2))


@pytest.mark.parametrize("sampler", ["ddpm", "ddim", "dpmpp"])
def test_what_is_kept_equals_the_reference(sampler: str) -> None:
    shape = (8, 60, 50)
    mask = torch.rand(shape, generator=torch.manual_seed(2)) < 0.3
    kept = torch.randn(50, generator=torch.manual_seed(3))
    steps = None if sampler == "ddpm" else 20
    x = run(sampler=sampler, steps=steps, inpaint=(mask, kept))
    assert torch.equal(x[mask], kept.expand(shape)[mask])
    assert abs(x[~mask].mean().item() - MEAN) < 0.02

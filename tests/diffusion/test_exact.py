"""The released loop's options, and that it samples the right distribution."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.diffusion.exact import (
    ReleasedProcess,
    noise_like,
    released_noise,
    respaced,
    sample_exact,
    two_pass,
)
from backend.diffusion.loop import sample
from backend.diffusion.schedule import Schedule
from backend.errors import Cancelled, InvalidRequest

MEAN, STD = 1.5, 0.4
SCHEDULE = Schedule("cosine", 100)
PROCESS = ReleasedProcess.of(SCHEDULE)
SHAPE = (8, 50, 1, 60)


def best_x0(x, t, y):
    """E[x0 | x_t] for x0 ~ N(MEAN, STD^2), in the memory layout that networks give."""
    abar = SCHEDULE.alphas_bar[t].float().reshape(-1, 1, 1, 1)
    gain = abar.sqrt() * STD**2 / (abar * STD**2 + 1 - abar)
    out = MEAN + gain * (x - abar.sqrt() * MEAN)
    return out.permute(3, 0, 1, 2).contiguous().permute(1, 2, 3, 0)


def run(seed: int = 0, net=best_x0, shape=SHAPE, **options):
    options.setdefault("process", PROCESS)
    generator = torch.Generator().manual_seed(seed)
    return sample_exact(net, shape, y={}, generator=generator, **options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"process": ReleasedProcess.of(SCHEDULE, sigma_small=False)},
        {"sampler": "ddim"},
        {"sampler": "ddim", "eta": 1.0},
        {"process": ReleasedProcess.of(SCHEDULE, [10, 15, 20]), "sampler": "ddim"},
    ],
)
def test_samples_have_the_distribution_of_the_data(options) -> None:
    x = run(**options)
    assert abs(x.mean().item() - MEAN) < 0.02
    assert abs(x.std().item() - STD) < 0.03


@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
@pytest.mark.parametrize("frames", [60, 1])
def test_the_common_loop_gives_the_same_samples(sampler: str, frames: int) -> None:
    shape = (8, 50, 1, frames)

    def flat(x, t, y):
        native = x.transpose(1, 2)[:, :, None]
        return best_x0(native, t, y)[:, :, 0].transpose(1, 2)

    noise = released_noise(shape, torch.Generator().manual_seed(3))
    other = sample(flat, (8, frames, 50), schedule=SCHEDULE, sampler=sampler, y={}, noise=noise)
    exact = run(3, shape=shape, sampler=sampler)
    assert (exact[:, :, 0].transpose(1, 2) - other).abs().max() < 1e-4


def test_noise_follows_the_memory_layout() -> None:
    contiguous = torch.zeros(2, 3, 1, 5)
    permuted = torch.zeros(5, 2, 3, 1).permute(1, 2, 3, 0)
    plain = noise_like(contiguous, torch.Generator().manual_seed(1))
    other = noise_like(permuted, torch.Generator().manual_seed(1))
    assert torch.equal(plain, torch.randn(2, 3, 1, 5, generator=torch.Generator().manual_seed(1)))
    assert other.stride() == permuted.stride()
    assert not torch.equal(plain, other)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (None, range(10)),
        ("", range(10)),
        ("ddim5", [0, 2, 4, 6, 8]),
        ("2,3", [0, 4, 5, 7, 9]),
        (4, [0, 3, 6, 9]),
        ([4], [0, 3, 6, 9]),
    ],
)
def test_respacing_rules(rule, expected) -> None:
    assert list(respaced(10, rule)) == list(expected)


def test_the_network_is_asked_about_the_original_steps() -> None:
    asked = []

    def net(x, t, y):
        asked.append(t.tolist())
        return best_x0(x, t, y)

    run(net=net, process=ReleasedProcess.of(SCHEDULE, "ddim5"), shape=(1, 2, 1, 3))
    assert asked == [[80], [60], [40], [20], [0]]


def test_large_variance() -> None:
    large = ReleasedProcess.of(SCHEDULE, sigma_small=False)
    assert np.array_equal(large.log_variance[1:], np.log(PROCESS.betas[1:]))
    assert large.log_variance[0] == PROCESS.log_variance[0]


def test_skipped_steps_start_from_the_noised_motion() -> None:
    seen = []

    def net(x, t, y):
        seen.append((int(t[0]), x.clone()))
        return best_x0(x, t, y)

    init = torch.full((1, 2, 1, 3), 5.0)
    run(net=net, shape=(1, 2, 1, 3), skip_timesteps=40, init=init)
    assert [t for t, _ in seen] == list(range(59, -1, -1))
    start = torch.randn(1, 2, 1, 3, generator=torch.Generator().manual_seed(0))
    expected = SCHEDULE.q_sample(init, torch.tensor([59]), start)
    assert torch.allclose(seen[0][1], expected, atol=1e-6)
    zeros = run(net=lambda x, t, y: x, shape=(1, 2, 1, 3), skip_timesteps=99)
    expected = SCHEDULE.q_sample(torch.zeros_like(init), torch.tensor([0]), start)
    assert torch.allclose(zeros, expected, atol=1e-6)


def test_constant_noise_is_that_of_the_first_sample() -> None:
    states = []
    run(
        shape=(3, 4, 1, 5), const_noise=True, net=lambda x, t, y: torch.zeros_like(x),
        on_x0=lambda i, x0, x: states.append(x),
    )  # fmt: skip
    factor = PROCESS.tables()["of_xt"][98]
    fresh = states[1] - factor * states[0]
    assert torch.allclose(fresh, fresh[:1].expand_as(fresh), atol=1e-5)
    assert fresh.std() > 0.01


def test_guidance_scale_per_sample() -> None:
    def net(x, t, y):
        return torch.zeros_like(x) if y.get("uncond") else torch.ones_like(x)

    x, t = torch.zeros(3, 2, 1, 4), torch.zeros(3, dtype=torch.long)
    out = two_pass(net, torch.tensor([0.0, 1.0, 2.5]))(x, t, {})
    assert out[:, 0, 0, 0].tolist() == [0.0, 1.0, 2.5]


def test_what_is_kept_equals_the_reference() -> None:
    mask = torch.rand(SHAPE, generator=torch.manual_seed(2)) < 0.3
    kept = torch.randn(SHAPE, generator=torch.manual_seed(3))
    out = run(inpaint=(mask, kept))
    assert torch.equal(out[mask], kept[mask])
    assert abs(out[~mask].std().item() - STD) < 0.03


def test_progress_and_cancel() -> None:
    calls = []
    run(shape=(1, 2, 1, 3), on_step=lambda done, total: calls.append((done, total)))
    assert calls == [(i, 100) for i in range(101)]

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        run(shape=(1, 2, 1, 3), on_step=stop)


def test_no_exact_mode_for_other_samplers() -> None:
    with pytest.raises(InvalidRequest, match="dpmpp"):
        run(sampler="dpmpp")

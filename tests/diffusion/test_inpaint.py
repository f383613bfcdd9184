from __future__ import annotations

import torch

from backend.diffusion.inpaint import Inpainting, sample_masked
from backend.diffusion.loop import seeded_generators
from backend.diffusion.schedule import Schedule

SCHEDULE = Schedule("cosine", 50)


def follows(x, t, y):
    """A denoiser for data that is constant over time: it believes the mean of what it sees."""
    return x.mean(dim=1, keepdim=True).expand_as(x)


def run(known: Inpainting, **options):
    return sample_masked(
        follows,
        (1, 40, 2),
        known,
        **{
            "schedule": SCHEDULE,
            "sampler": "ddpm",
            "steps": 25,
            "y": {},
            "generator": seeded_generators(0, 1),
            **options,
        },
    )


def known_half(**options) -> Inpainting:
    mask = torch.zeros(1, 40, 2, dtype=torch.bool)
    mask[:, :20] = True
    return Inpainting(mask, torch.full((1, 40, 2), 1.5), **options)


def test_the_known_part_is_exact_and_draws_the_rest_to_it() -> None:
    for sampler in ("ddpm", "ddim", "dpmpp"):
        x, raw = run(known_half(), sampler=sampler)
        assert torch.equal(x[:, :20], torch.full((1, 20, 2), 1.5))
        assert raw.shape == x.shape
        free, _ = run(Inpainting(torch.zeros(1, 40, 2, dtype=torch.bool), torch.zeros(1, 40, 2)))
        assert (x[:, 20:] - 1.5).abs().max() < (free[:, 20:] - 1.5).abs().max()


def test_restarts_bring_the_two_together() -> None:
    far = (run(known_half())[0][:, 20:] - 1.5).abs().max()
    near = (run(known_half(restarts=(0.3, 0.3, 0.3)))[0][:, 20:] - 1.5).abs().max()
    assert near < far


def test_a_constraint_holds_in_the_result() -> None:
    def centred(x0):
        x0 = x0.clone()
        x0[:, 20:] -= x0[:, 20:].mean() - 3.0
        return x0

    x, _ = run(known_half(constrain=centred))
    assert abs(float(x[:, 20:].mean()) - 3.0) < 1e-4


def test_progress_counts_every_round() -> None:
    seen: list[tuple[int, int]] = []
    run(known_half(restarts=(0.5, 1.0)), on_step=lambda done, total: seen.append((done, total)))
    totals = {total for _, total in seen}
    assert len(totals) == 1
    done = [d for d, _ in seen]
    assert done == sorted(done)
    assert done[-1] == totals.pop()

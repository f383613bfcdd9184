"""Samples of every trained network with every sampler, one file for each run of the lab."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from backend.diffusion.loop import sample
from backend.models.dit import DiT
from backend.motion.representations import smplrifke205
from backend.training.data.dataset import read_arrays, write_arrays
from backend.training.data.text_cache import CaptionEmbeddings

from .plan import Draw, Plan
from .train import SCHEDULE, load

ROWS = 32
"""Clips sampled together, of like length."""


def sample_file(folder: Path, model: tuple[str, str, int], number: int) -> Path:
    """Where the samples of a model and run lie."""
    conditioning, sampler, steps = model
    return (
        folder / "samples" / f"{conditioning}-{sampler}-{steps}" / f"run_{number:02d}.safetensors"
    )


@torch.inference_mode()
def generate(
    net: DiT,
    mean: torch.Tensor,
    std: torch.Tensor,
    draw: Draw,
    text: CaptionEmbeddings,
    plan: Plan,
    sampler: str,
    steps: int,
) -> list[np.ndarray]:
    """One smplrifke205 clip ``[T, 205]``, un-normalised, for each caption, as long as the real one.

    Sample k of run r starts from the same noise for every network and sampler.
    """
    lengths = [item.length for item in draw.items]
    order = np.argsort(lengths)[::-1]
    found: dict[int, np.ndarray] = {}
    for start in range(0, len(order), ROWS):
        chosen = order[start : start + ROWS].tolist()
        frames = [lengths[k] for k in chosen]
        rows = draw.captions[chosen]
        y = {
            "lengths": torch.tensor(frames),
            "sentence": torch.from_numpy(text.sentence[rows]),
            "sides": torch.from_numpy(text.sides[rows]),
        }
        seeds = [plan.seed + 100_000 * (draw.number + 1) + k for k in chosen]
        with torch.autocast("cpu", torch.bfloat16):
            x = sample(
                net,
                (len(chosen), max(frames), smplrifke205.SPEC.dim),
                schedule=SCHEDULE,
                sampler=sampler,
                steps=steps,
                guidance=plan.guidance,
                y=y,
                generator=[torch.Generator().manual_seed(s) for s in seeds],
                lengths=frames,
            )
        for k, row, n in zip(chosen, x, frames, strict=True):
            found[k] = (row[:n].float() * std + mean).numpy()
    return [found[k] for k in range(len(lengths))]


def sample_all(
    plan: Plan,
    folder: Path,
    runs: Sequence[Draw],
    text: CaptionEmbeddings,
    conditionings: Sequence[str],
    *,
    backwards: bool = False,
) -> None:
    """Write every missing sample file, run after run.

    ``backwards`` starts at the last one, so that a second process can share the work.
    """
    nets = {name: load(folder, name)[:3] for name in conditionings}
    units = [(draw, m) for draw in runs for m in plan.models() if m[0] in nets]
    for draw, model in reversed(units) if backwards else units:
        path = sample_file(folder, model, draw.number)
        if path.is_file():
            continue
        clips = generate(*nets[model[0]], draw, text, plan, *model[1:])
        path.parent.mkdir(parents=True, exist_ok=True)
        write_arrays(path, {"features": np.concatenate(clips)})
        print(f"sampled {path.parent.name} run {draw.number}", flush=True)


def complete(plan: Plan, folder: Path, runs: Sequence[Draw]) -> list[Draw]:
    """The runs that every network and sampler has samples of."""
    return [
        draw
        for draw in runs
        if all(sample_file(folder, m, draw.number).is_file() for m in plan.models())
    ]


def read_samples(folder: Path, model: tuple[str, str, int], draw: Draw) -> list[np.ndarray]:
    """The clips of a sample file, in the order of the draw's items."""
    features = read_arrays(sample_file(folder, model, draw.number))["features"]
    return np.split(features, np.cumsum([item.length for item in draw.items])[:-1])

"""Train one conditioning of the lab, and measure what its network knows about validation clips."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from backend.diffusion.schedule import Schedule
from backend.models.dit import DiT, DiTConfig
from backend.motion.io.atomic import atomic_path
from backend.training.data.batches import BatchSampler, SamplingConfig
from backend.training.data.dataset import Item, MotionDataset
from backend.training.data.text_cache import CaptionEmbeddings
from backend.training.dit.recipe import DiTRecipe, TrainConfig, ema_weights
from backend.training.loop import Training
from backend.training.run import load_state

from .plan import Plan, validation_items

SCHEDULE = Schedule("cosine", 1000)
CHECKED_STEPS = (300, 600, 800, 900, 960, 990)
"""Time steps of the validation loss: the noisier, the more the text decides."""
SAVE_MINUTES = 0.5


def run_folder(folder: Path, conditioning: str) -> Path:
    """Training run of a conditioning inside the lab's folder."""
    return folder / "train" / conditioning


def finished(run: Path, plan: Plan) -> bool:
    """Whether a run has spent its budget."""
    if not (run / "state.pt").is_file():
        return False
    return int(load_state(run)["step"]) >= plan.steps


def train(
    plan: Plan,
    conditioning: str,
    folder: Path,
    dataset: MotionDataset,
    text: CaptionEmbeddings,
    stats: tuple[np.ndarray, np.ndarray],
) -> None:
    """Train (or go on with) one conditioning; the seed, the batches and the budget are shared."""
    run = run_folder(folder, conditioning)
    config = TrainConfig(
        model=DiTConfig(conditioning=conditioning, **plan.network),  # type: ignore[arg-type]
        sampling=SamplingConfig(frames_per_batch=plan.frames_per_batch),
        schedule_kind=SCHEDULE.kind,
        schedule_steps=SCHEDULE.steps,
        lr=plan.lr,
        warmup=plan.warmup,
        steps=plan.steps,
        save_minutes=SAVE_MINUTES,
        seed=plan.seed,
    )
    sampler = BatchSampler(dataset, text, *stats, config.sampling, plan.seed)
    recipe = DiTRecipe(config, sampler)
    training = Training(recipe, recipe.folder(run))
    if (run / "state.pt").is_file():
        training.resume()
    training.fit()


def load(folder: Path, conditioning: str) -> tuple[DiT, torch.Tensor, torch.Tensor, int]:
    """Averaged network of a finished run, mean and std of its features, and its parameter count."""
    config, weights, mean, std = ema_weights(run_folder(folder, conditioning))
    net = DiT(config.model)
    net.load_state_dict(weights)
    return net.eval().requires_grad_(False), mean, std, sum(p.numel() for p in net.parameters())


@torch.inference_mode()
def validation_loss(
    net: DiT,
    mean: torch.Tensor,
    std: torch.Tensor,
    dataset: MotionDataset,
    text: CaptionEmbeddings,
) -> dict[str, float]:
    """Mean squared x0 error on validation clips, with the own caption and with another one's.

    The same noise and steps for every network. What the wrong caption costs is what the network
    takes from the text.
    """
    items = validation_items(dataset)
    x, lengths = _padded(items, dataset, mean, std)
    mask = torch.arange(x.shape[1]) < lengths[:, None]
    own = np.array([text.pool(i.pool)[0] for i in items])
    found = {}
    for name, rows in (("own", own), ("other", np.roll(own, len(own) // 2))):
        y = {
            "lengths": lengths,
            "sentence": torch.from_numpy(text.sentence[rows]),
            "sides": torch.from_numpy(text.sides[rows]),
        }
        generator = torch.Generator().manual_seed(0)
        losses = []
        for t in CHECKED_STEPS:
            noise = torch.randn(x.shape, generator=generator)
            steps = torch.full((len(x),), t)
            error = (net(SCHEDULE.q_sample(x, steps, noise), steps, y) - x).square().mean(-1)
            losses.append(float((error * mask).sum() / mask.sum()))
        found[name] = float(np.mean(losses))
    return found


def _padded(
    items: list[Item], dataset: MotionDataset, mean: torch.Tensor, std: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    clips = [(torch.from_numpy(dataset.item_features(i)) - mean) / std for i in items]
    lengths = torch.tensor([len(c) for c in clips])
    return torch.nn.utils.rnn.pad_sequence(clips, batch_first=True), lengths


def record(
    folder: Path, conditioning: str, dataset: MotionDataset, text: CaptionEmbeddings
) -> None:
    """Write ``validation.json`` beside a finished run, unless it is there."""
    path = run_folder(folder, conditioning) / "validation.json"
    if path.is_file():
        return
    net, mean, std, parameters = load(folder, conditioning)
    values = {"parameters": parameters} | validation_loss(net, mean, std, dataset, text)
    with atomic_path(path) as temporary:
        Path(temporary).write_text(json.dumps(values, indent=1), encoding="utf-8")

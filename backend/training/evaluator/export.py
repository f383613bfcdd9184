"""A finished run of ``kinetype train tmr`` to an evaluator folder, with its reference set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from ...evaluation.evaluators import starter
from ...evaluation.evaluators.parts.starter_network import SentenceTMR, TMRConfig
from ...evaluation.physical import physical_metrics
from ...motion.io.atomic import atomic_path
from ...motion.representations import motion135
from ...store.model_folder import Stats, save_model, save_tensors
from ...store.new_folder import new_folder
from ..data.dataset import Clip, Item, MotionDataset, read_json
from ..run import load_state

CAPTIONS_EACH = 8
"""Captions kept for each reference motion, drawn evenly from its pool."""
MIN_SECONDS = 1.2


def export(
    run: Path,
    dataset: MotionDataset,
    mean: np.ndarray,
    std: np.ndarray,
    out: Path,
    *,
    seed: int = 0,
    overwrite: bool = False,
) -> None:
    """Write weights (float16), statistics and the validation clips' embeddings and captions.

    Args:
        out: folder to make, whole or not at all.
        overwrite: replace an evaluator's folder that is there already.

    Raises:
        ArtifactError: the run cannot be read.
        OutputError: something is there already, or it cannot be written.
    """
    config = TMRConfig(**read_json(run / "config.json")["model"])
    net = SentenceTMR(config)
    state = load_state(run)
    net.load_state_dict(state["net"])
    stats = Stats(torch.from_numpy(mean), torch.from_numpy(std))
    weights = {k: v for k, v in net.state_dict().items() if not k.startswith("decoder.")}
    values = {"evaluator": "starter", "network": asdict(config), "steps": int(state["step"])}
    # the weights as they will be read
    net.load_state_dict({k: v.half().float() for k, v in weights.items()}, strict=False)
    evaluator = starter.StarterEvaluator(net, stats)
    with new_folder(out, overwrite=overwrite, sources=(run,)) as folder:
        _write_reference(folder, dataset, evaluator, seed)
        beside = (starter.REFERENCE, starter.REFERENCE_JSON)
        save_model(folder, values, weights, stats, half=True, beside=beside)


def _write_reference(
    out: Path, dataset: MotionDataset, evaluator: starter.StarterEvaluator, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    shortest = round(MIN_SECONDS * evaluator.fps)
    pools = _pools(dataset)
    clips = [
        clip
        for clip in dataset.clips
        if clip.split == "val" and clip.name in pools and clip.length >= shortest
    ]
    motions = [dataset.clip_motion(clip)[: evaluator.max_frames] for clip in clips]
    entries = [
        _entry(clip, motion, dataset.pools[pools[clip.name].pool], rng)
        for clip, motion in zip(clips, motions, strict=True)
    ]
    embeddings = torch.from_numpy(evaluator.embed_motions(motions))
    save_tensors(out / starter.REFERENCE, {"embeddings": embeddings})
    with atomic_path(out / starter.REFERENCE_JSON) as temporary:
        Path(temporary).write_text(json.dumps(entries, indent=0), encoding="utf-8")


def _pools(dataset: MotionDataset) -> Mapping[str, Item]:
    """The plain item of each clip: neither mirrored nor sped up, and the whole clip."""
    return {
        item.clip: item
        for item in dataset.items
        if not item.mirrored and item.speed == 1.0 and not item.window
    }


def _entry(
    clip: Clip, motion: np.ndarray, pool: tuple[str, ...], rng: np.random.Generator
) -> dict[str, object]:
    captions = [pool[i] for i in rng.permutation(len(pool))[:CAPTIONS_EACH]]
    physical = physical_metrics(motion135.joints(motion.astype(np.float64)), 30.0)
    return {
        "clip": clip.name,
        "content": clip.content,
        "style": clip.style,
        "frames": len(motion),
        "captions": captions,
        "physical": {name: round(value, 6) for name, value in physical.items()},
    }

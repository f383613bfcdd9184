"""Proof that a converted MDM folder is the released checkpoint: both make the same motions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ...models.mdm.network import MDM, TEXT_DIMS, MDMConfig
from ...store.model_folder import Stats
from ..humanml3d import statistics as hml_statistics
from ..humanml3d.statistics import MEAN, STD
from . import folder as mdm_artifact
from .pipeline import MDMPipeline

CAPTIONS = ("a person walks forward and turns around", "someone jumps twice")
LENGTHS = (40, 60)
SEED = 10
DEFAULT_STEPS = 50


def largest_difference(
    released: MDM,
    folder: Path,
    encoder: object = None,
    *,
    stats: Stats | None = None,
    steps: int = DEFAULT_STEPS,
) -> float:
    """Generate with the released network and with the folder, in the exact mode on the CPU.

    Args:
        released: as :func:`backend.models.mdm.load_upstream` gives it.
        folder: the converted model, read from disk again.
        encoder: the text encoder that was put into the folder; without one both networks get the
            same random embeddings.
        stats: the statistics that were put into the folder; without them the motions are compared
            as the networks give them.
        steps: DDPM steps, by the released respacing rule.

    Returns:
        max |a - b| over all numbers of both clips.
    """
    config = mdm_artifact.read_config(folder)
    network = mdm_artifact.load_network(folder, config)
    dim = network.config.features
    if stats is None:
        stats = again = Stats(torch.zeros(dim), torch.ones(dim))
    else:
        again = hml_statistics.read(folder / MEAN, folder / STD, dim)
    theirs = MDMPipeline(config, released, stats, encoder=encoder, device="cpu")
    ours = MDMPipeline(config, network, again, folder=folder, device="cpu", local_files_only=True)
    a, b = (_generate(pipeline, encoder is not None, steps) for pipeline in (theirs, ours))
    return float(np.abs(a - b).max())


def _generate(pipeline: MDMPipeline, has_encoder: bool, steps: int) -> np.ndarray:
    network = pipeline.net.config
    x = pipeline.denoise_exact(
        pipeline.encode_text(CAPTIONS) if has_encoder else _embeddings(network),
        LENGTHS,
        SEED,
        guidance=1.0 if network.cond_mask_prob == 0 else pipeline.config.guidance_param,
        steps=min(steps, network.diffusion_steps),
    )
    return pipeline.denormalise(x[:, :, 0].permute(0, 2, 1))


def _embeddings(network: MDMConfig) -> object:
    """Random text embeddings, the same at each call."""
    width, generator = TEXT_DIMS[network.text_encoder], torch.Generator().manual_seed(SEED)
    if network.text_encoder != "bert":
        return torch.randn(1, len(CAPTIONS), width, generator=generator)
    states = torch.randn(8, len(CAPTIONS), width, generator=generator)
    return states, torch.zeros(len(CAPTIONS), 8, dtype=torch.bool)

"""A tiny MDM for tests: random weights, statistics of a made-up walk, a tiny CLIP."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from backend.models.mdm.network import MDM, MDMConfig
from backend.motion.representations import hml263, motion135
from backend.motion.skeleton import forward_kinematics
from backend.pipelines.mdm import MDMPipeline
from backend.pipelines.mdm.folder import MDMPipelineConfig, args_of
from backend.store.model_folder import Stats
from backend.text.clip import ClipTextEncoder

from .clip_files import write_clip

WIDTH = 32
STEPS = 20


def network_config(**options: Any) -> MDMConfig:
    """One narrow layer and few diffusion steps."""
    values = {"width": WIDTH, "layers": 1, "diffusion_steps": STEPS, "max_positions": 300}
    return MDMConfig(**{**values, **options})


def tiny_net(seed: int = 0, **options: Any) -> MDM:
    """A network with random weights."""
    torch.manual_seed(seed)
    return MDM(network_config(**options)).eval()


def walking_stats(make_motion: Callable[..., np.ndarray]) -> Stats:
    """Training-like statistics of a made-up clip; deviations small, so that motions stay sane."""
    root, rotations = motion135.unpack(make_motion(frames=80, turns=0.2))
    features = hml263.encode(forward_kinematics(rotations, root))
    mean = features.mean(0)
    mean[hml263.SPEC.columns("contacts")] = 0.6
    std = np.full(hml263.SPEC.dim, 0.02)
    std[hml263.SPEC.columns("contacts")] = 0.49
    return Stats(torch.from_numpy(mean).float(), torch.from_numpy(std).float())


def evaluator_stats(stats: Stats) -> Stats:
    """The same as the evaluator of HumanML3D has them: root and contacts divided by 25."""
    std = stats.std.clone()
    for block in ("yaw_velocity", "root_velocity", "root_height", "contacts"):
        std[hml263.SPEC.columns(block)] /= 25
    return Stats(stats.mean, std)


def tiny_pipeline(
    stats: Stats, clip_folder: Path, *, seed: int = 0, net: MDM | None = None, **options: Any
) -> MDMPipeline:
    """A pipeline on the CPU; ``options`` go to the network's configuration."""
    net = tiny_net(seed, **options) if net is None else net
    encoder = None
    if net.config.text_encoder == "clip":
        encoder = ClipTextEncoder.load(write_clip(clip_folder), local_files_only=True)
    config = MDMPipelineConfig.of(net.config, name="tiny", steps=4)
    return MDMPipeline(config, net, stats, encoder=encoder, device="cpu", local_files_only=True)


def write_release(
    folder: Path, net: MDM | None = None, stats: Stats | None = None, **args: Any
) -> Path:
    """A released checkpoint: ``args.json`` and ``model000000100.pt``; returns the latter."""
    net = tiny_net() if net is None else net
    folder.mkdir(parents=True, exist_ok=True)
    values = {**args_of(net.config), "seed": 10, "save_dir": "save/tiny", **args}
    (folder / "args.json").write_text(json.dumps(values), encoding="utf-8")
    torch.save(net.state_dict(), folder / "model000000100.pt")
    if stats is not None:
        np.save(folder / "Mean.npy", stats.mean.numpy())
        np.save(folder / "Std.npy", stats.std.numpy())
    return folder / "model000000100.pt"

"""A CLIP text encoder small enough for tests: random weights and a vocabulary of single letters."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from backend.text import clip_tokens
from backend.text.clip_tower import ClipTextTower, TowerSize

MERGES = [("w", "a"), ("l", "k</w>"), ("wa", "lk</w>")]


def vocabulary() -> dict[str, int]:
    """Token to id: the byte letters, their word-final forms, three merges, the two marks."""
    letters = clip_tokens._byte_letters()
    words = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(m) for m in MERGES)]
    words += [clip_tokens.START, clip_tokens.END]
    return {word: index for index, word in enumerate(words)}


def write_vocabulary(folder: Path) -> None:
    """``vocab.json`` and ``merges.txt``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary()), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in MERGES)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def tiny_tower(seed: int = 0, output: int = 512) -> ClipTextTower:
    """Two layers of 64 channels."""
    size = TowerSize(
        vocabulary=len(vocabulary()),
        context=77,
        width=64,
        layers=2,
        hidden=128,
        output=output,
        heads=1,
    )
    tower = ClipTextTower(size)
    generator = torch.Generator().manual_seed(seed)
    for value in tower.parameters():
        scale = value.shape[-1] ** -0.5 if value.dim() > 1 else 0.1
        value.data = scale * torch.randn(value.shape, generator=generator)
    return tower


def write_clip(folder: Path, seed: int = 0) -> Path:
    """A whole encoder folder, as it lies inside a model's folder."""
    write_vocabulary(folder)
    save_file(dict(tiny_tower(seed).state_dict()), folder / "clip.safetensors")
    return folder


def write_hub_clip(folder: Path, seed: int = 0) -> Path:
    """The same encoder as a hub repository holds it: config.json and model.safetensors."""
    write_vocabulary(folder)
    config = {"model_type": "clip", "text_config": {"num_attention_heads": 1}}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(dict(tiny_tower(seed).state_dict()), folder / "model.safetensors")
    return folder

"""The small golden MoGenTS model, unpacked, with a vocabulary that its small CLIP can read."""

from __future__ import annotations

import json
import string
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backend.text import clip_tokens

GOLDEN = Path(__file__).parent / "parity" / "golden" / "mogents"


def unpack(name: str, folder: Path) -> Path:
    """``artifact`` or ``upstream`` unpacked into ``folder``; returns its path."""
    with tarfile.open(GOLDEN / f"{name}.tar.xz") as archive:
        # the filter came with Python 3.11.4; Debian 12 has 3.11.2
        safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(folder, **safe)  # type: ignore[arg-type]
    return folder / name


def write_vocabulary(folder: Path) -> None:
    """``vocab.json`` and ``merges.txt`` of fewer tokens than the 96 of the golden CLIP."""
    letters = string.ascii_lowercase + ".,'"
    words = [*letters, *(f"{letter}</w>" for letter in letters), "th", "the</w>"]
    words += [clip_tokens.START, clip_tokens.END]
    vocabulary = {word: index for index, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\nt h\nth e</w>\n", encoding="utf-8")


def unpack_model(folder: Path) -> Path:
    """A model folder that ``kinetype generate`` can use."""
    model = unpack("artifact", folder)
    write_vocabulary(model)
    return model


@cache
def arrays(name: str) -> dict[str, Tensor]:
    """A golden ``.npz`` as tensors."""
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as file:
        return {key: torch.from_numpy(np.array(file[key])) for key in file.files}


@cache
def sampling_cases() -> dict[str, Any]:
    """Arguments of the golden sampling runs."""
    cases: dict[str, Any] = json.loads((GOLDEN / "sampling_golden.json").read_text("utf-8"))
    return cases

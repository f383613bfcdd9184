"""Golden data of the models whose weights cannot be had here, and their released file layouts.

``writer`` functions lay random golden weights out as the authors publish them, so that the whole
way from a downloaded folder to a motion can be tested without a download.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

COPY = Path(__file__).parent / "parity" / "golden"
KIT = Path(os.environ.get("KINETYPE_KIT", Path(__file__).parents[2] / "shared" / "kit"))


@cache
def golden(name: str) -> dict[str, Tensor]:
    """Arrays of ``<family>/<name>``: the kit's where it is there, else the copy's."""
    path = KIT / name if (KIT / name).is_file() else COPY / name
    with np.load(path, allow_pickle=False) as file:
        return {key: torch.from_numpy(np.array(file[key])) for key in file.files}


def below(arrays: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The arrays under ``prefix.``, without it."""
    start = f"{prefix}."
    return {
        key.removeprefix(start): value for key, value in arrays.items() if key.startswith(start)
    }

"""Checkpoints of other programs (``torch.save``), read without running anything of them."""

from __future__ import annotations

import argparse
import contextlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import ArtifactError

COPY_HINT = "Copy or download the checkpoint again."


def load_checkpoint(path: Path) -> Any:
    """Content of a PyTorch checkpoint of another program (``.pt``, ``.tar``), on the CPU.

    Tensors, containers and numbers are read; training arguments (``argparse.Namespace``) and NumPy
    values, which older programs stored beside them, are read as the plain data they are. Whatever
    else the file names is refused before it could run.

    Raises:
        ArtifactError: missing, damaged, or it names something that could run code.
    """
    if not path.is_file():
        raise ArtifactError(f"{path} is missing.", COPY_HINT)
    try:
        with _plain_values_allowed():
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or refused file raises errors of many kinds
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        if named:
            raise ArtifactError(
                f"{path} names {named[1]}, which could run code; it was refused and nothing of it "
                "was run.",
                "Get the checkpoint from its authors; a checkpoint needs nothing but tensors.",
                str(error),
            ) from error
        raise ArtifactError(
            f"{path} is damaged, truncated or no PyTorch checkpoint ({path.stat().st_size} bytes).",
            COPY_HINT,
            str(error),
        ) from error


def _plain_values_allowed() -> contextlib.AbstractContextManager[Any]:
    """Names besides PyTorch's own list that make passive values only."""
    allow = getattr(torch.serialization, "safe_globals", None)  # PyTorch 2.5
    if allow is None:
        return contextlib.nullcontext()
    dtypes = {type(np.dtype(code)) for code in ("f2", "f4", "f8", "i4", "i8", "u1", "?")}
    scalar, rebuild = np.float64(0).__reduce__()[0], np.zeros(0).__reduce__()[0]
    arrays: list[Any] = [np.ndarray, np.dtype, *dtypes]
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        arrays += [(scalar, f"{module}.scalar"), (rebuild, f"{module}._reconstruct")]
    return allow([argparse.Namespace, *arrays])

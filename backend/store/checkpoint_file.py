"""Checkpoints of other programs (``torch.save``), read without running anything of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from ..errors import ArtifactError, FormatError
from ..motion.io import torch_file
from ..motion.io.pickle_scan import TooMuch
from ..motion.io.restricted_pickle import Refused
from . import watch

COPY_HINT = "Copy or download the checkpoint again."
WRAPPERS = ("module.", "_orig_mod.")
"""Prefixes that multi-GPU training and ``torch.compile`` put before every name."""
_CODE_HINT = "Get the checkpoint from its authors; a checkpoint needs nothing but tensors."
Value = TypeVar("Value")


def load_checkpoint(path: Path, *, stand_ins: bool = False) -> object:
    """Content of a PyTorch checkpoint of another program (``.pt``, ``.tar``), on the CPU.

    Tensors, containers and numbers are read; training arguments (``argparse.Namespace``) and NumPy
    values, which older programs stored beside them, are read as the plain data they are. Whatever
    else the file names is refused before it could run.

    Args:
        stand_ins: read a file that also names classes of a training framework: a dictionary stands
            in for each object. Functions that could run code are refused even so.

    Raises:
        ArtifactError: missing, damaged, or it names something that could run code.
    """
    if not path.is_file():
        raise ArtifactError(f"{path} is missing.", COPY_HINT)
    try:
        found = torch_file.load(path, stand_ins=stand_ins)
    except TooMuch as error:
        raise ArtifactError(f"{path}: {error.message}", error.hint) from error
    except Refused as error:
        raise ArtifactError(
            f"{path} names {error.named}, which could run code; it was refused and nothing of it "
            "was run.",
            _CODE_HINT,
        ) from error
    except FormatError as error:
        raise ArtifactError(
            f"{path} is damaged, truncated or no PyTorch checkpoint ({path.stat().st_size} bytes): "
            f"{error.message}",
            COPY_HINT,
        ) from error
    watch.loaded(path.stat().st_size)
    return found


def unwrapped(state: Mapping[str, Value]) -> dict[str, Value]:
    """A state dict without the prefix that a training wrapper put before all of its names."""
    names = dict(state)
    found = True
    while found and names:
        found = False
        for prefix in WRAPPERS:
            if all(isinstance(name, str) and name.startswith(prefix) for name in names):
                names = {name.removeprefix(prefix): value for name, value in names.items()}
                found = True
    return names

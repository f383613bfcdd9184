"""CLIP as OpenAI's own package keeps it: ``ViT-B-32.pt``, a TorchScript archive.

Such an archive holds a program and its weights. The program is left alone: the weights are copied
into an archive without it, which PyTorch's tensors-only reader opens. For each class of the program
an empty container stands in.
"""

from __future__ import annotations

import io
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import ArtifactError
from ..motion.io import torch_file

FILE = "ViT-B-32.pt"
MAX_BYTES = 2_000_000_000
_HINT = "Copy or download the text encoder again."
_PROGRAM = "__torch__."
_WEIGHTS = ("/data.pkl", "/version", "/byteorder")


class _StandIn:
    """A class of the program; an ordered dictionary can be given attributes by the reader."""

    def __new__(cls, *arguments: Any) -> Any:
        return OrderedDict()


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of an archive under its dotted name, floats as float32.

    Raises:
        ArtifactError: no such archive, damaged, or one that names anything but tensors.
    """
    try:
        weights = _without_program(path)
        names = torch.serialization.get_unsafe_globals_in_checkpoint(weights)
        foreign = [name for name in names if not name.startswith(_PROGRAM)]
        if foreign:
            raise ArtifactError(
                f"{path} names {foreign[0]}, which could run code; nothing of it was run.", _HINT
            )
        weights.seek(0)
        with torch.serialization.safe_globals([(_StandIn, name) for name in names]):
            root = torch_file.load(weights)
    except ArtifactError:
        raise
    except Exception as error:  # what damage raises depends on where it is
        raise ArtifactError(
            f"{path} cannot be read as OpenAI's CLIP. Nothing of it was run.", _HINT, str(error)
        ) from error
    found = dict(_named(root, ""))
    return {k: v.float() if v.is_floating_point() else v for k, v in found.items()}


def _without_program(path: Path) -> io.BytesIO:
    """The weights of an archive in one of their own."""
    copy = io.BytesIO()
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(copy, "w") as part:
        if sum(member.file_size for member in whole.infolist()) > MAX_BYTES:
            raise ValueError("it is far too large")
        for name in whole.namelist():
            if name.endswith(_WEIGHTS) or "/data/" in name:
                part.writestr(name, whole.read(name))
    copy.seek(0)
    return copy


def _named(module: object, prefix: str) -> Iterator[tuple[str, Tensor]]:
    for name, value in getattr(module, "__dict__", {}).items():
        if isinstance(value, Tensor):
            yield prefix + name, value.detach()
        elif isinstance(value, OrderedDict):
            yield from _named(value, f"{prefix}{name}.")

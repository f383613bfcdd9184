"""CLIP as OpenAI's own package keeps it: ``ViT-B-32.pt``, a TorchScript archive.

Such an archive holds a program and its weights. The program is left alone; for each object of it a
dictionary of its attributes stands in.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from ..errors import ArtifactError, FormatError
from ..motion.io import torch_file
from ..motion.io.restricted_pickle import Refused

FILE = "ViT-B-32.pt"
_HINT = "Copy or download the text encoder again."
_PROGRAM = "__torch__."


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of an archive under its dotted name, floats as float32.

    Raises:
        ArtifactError: no such archive, damaged, or one that names anything but tensors.
    """
    try:
        root = torch_file.load(path, program=_PROGRAM)
    except Refused as error:
        raise ArtifactError(
            f"{path} names {error.named}, which could run code; nothing of it was run.", _HINT
        ) from error
    except FormatError as error:
        raise ArtifactError(
            f"{path} cannot be read as OpenAI's CLIP: {error.message} Nothing of it was run.",
            error.hint,
        ) from error
    found = dict(_named(root, ""))
    return {k: v.float() if v.is_floating_point() else v for k, v in found.items()}


def _named(module: object, prefix: str) -> Iterator[tuple[str, Tensor]]:
    for name, value in module.items() if isinstance(module, dict) else ():
        if isinstance(value, Tensor):
            yield prefix + name, value
        else:
            yield from _named(value, f"{prefix}{name}.")

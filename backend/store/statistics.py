"""Mean and standard deviation of a model's features: read, checked and written in one place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError

import numpy as np
import torch
from torch import Tensor

from ..errors import ArtifactError
from ..motion.io.atomic import atomic_path
from .config_files import COPY_HINT
from .weights import load_tensors, save_tensors

STATS = "stats.safetensors"
_SAME_MODEL = "The statistics must come from the same model. " + COPY_HINT


@dataclass(frozen=True)
class Stats:
    """``mean`` and ``std`` of a representation, ``[D]`` float32: x = normalised * std + mean."""

    mean: Tensor
    std: Tensor

    def normalise(self, x: Tensor) -> Tensor:
        """``[..., D]`` to zero mean and unit scale."""
        return (x - self.mean.to(x)) / self.std.to(x)

    def denormalise(self, x: Tensor) -> Tensor:
        """The inverse of :meth:`normalise`."""
        return x * self.std.to(x) + self.mean.to(x)


def load_stats(path: Path, dim: int, *, scalars: bool = False) -> Stats:
    """``mean`` and ``std`` of a safetensors file.

    Args:
        dim: width of the representation.
        scalars: one number for all columns will do as well.

    Raises:
        ArtifactError: as :func:`.weights.load_tensors` and :func:`checked`.
    """
    return checked(load_tensors(path), dim, path, scalars=scalars)


def checked(
    tensors: object, dim: int, path: Path, *, scalars: bool = False, hint: str = _SAME_MODEL
) -> Stats:
    """Statistics from what a file held; the arguments are those of :func:`load_stats`.

    Raises:
        ArtifactError: wrong names or shapes, not finite, or a std not above zero.
    """
    found = tensors if isinstance(tensors, dict) else {}
    shapes = {str(name): list(getattr(value, "shape", ())) for name, value in found.items()}
    wanted = [[dim], [], [1]] if scalars else [[dim]]
    if not any(shapes == {"mean": shape, "std": shape} for shape in wanted):
        raise ArtifactError(
            f"{path} holds {shapes}, but the model needs mean [{dim}] and std [{dim}].", hint
        )
    stats = Stats(found["mean"].float(), found["std"].float())
    return refuse_impossible(stats, path, hint)


def refuse_impossible(stats: Stats, path: Path, hint: str) -> Stats:
    """The statistics; :class:`ArtifactError` if not finite or with a deviation not above zero."""
    if not (torch.isfinite(stats.mean).all() and torch.isfinite(stats.std).all()):
        raise ArtifactError(f"{path} holds NaN, infinite or absurdly large values.", hint)
    if not (stats.std > 0).all():
        swapped = " Mean and std look swapped." if (stats.mean > 0).all() else ""
        raise ArtifactError(f"{path}: std must be positive everywhere.{swapped}", hint)
    return stats


def save_stats(folder: Path, stats: Stats) -> None:
    """``stats.safetensors`` of a folder."""
    save_tensors(folder / STATS, {"mean": stats.mean, "std": stats.std})


# ---------------------------------------------------------------- two .npy files


def read_pair(
    mean: Path, std: Path, dim: int, *, hint: str = COPY_HINT, smallest: float = 0.0
) -> Stats:
    """Statistics from two ``.npy`` files.

    Args:
        hint: what to do where a file is not right.
        smallest: deviations below it are raised to it; with 0, none may be 0.

    Raises:
        ArtifactError: a file is missing, no plain array ``[dim]``, not finite, or a deviation is
            not positive.
    """
    values = [torch.from_numpy(_vector(path, dim, hint)) for path in (mean, std)]
    if smallest:
        values[1] = values[1].clamp_min(smallest)
    return refuse_impossible(Stats(*values), std, hint)


def write_pair(mean: Path, std: Path, stats: Stats) -> None:
    """Two ``.npy`` files, float32."""
    for path, value in ((mean, stats.mean), (std, stats.std)):
        with atomic_path(path) as temporary:
            np.save(temporary, value.cpu().numpy().astype(np.float32), allow_pickle=False)


def _vector(path: Path, dim: int, hint: str) -> np.ndarray:
    if path.is_dir():
        raise ArtifactError(f"{path} is a folder.", f"Name the file in it: {path / 'Mean.npy'}.")
    if not path.is_file():
        raise ArtifactError(
            f"{path} is missing.",
            "Put the statistics that came with the model or its training data there: without them "
            "its numbers cannot be turned into metres.",
        )
    try:
        # mapped: a damaged header may announce more numbers than memory holds
        values = np.load(path, allow_pickle=False, mmap_mode="r")
    except (OSError, ValueError, EOFError, OverflowError, MemoryError, TokenError) as error:
        raise ArtifactError(
            f"{path} is no plain .npy array: it is damaged, or was pickled.", hint, str(error)
        ) from error
    if not isinstance(values, np.ndarray):
        raise ArtifactError(f"{path} is an archive of arrays, not one array.", hint)
    if values.dtype.kind != "f":
        raise ArtifactError(f"{path} holds {values.dtype} values, not float32 or float64.", hint)
    if values.shape != (dim,):
        raise ArtifactError(
            f"{path} must hold {dim} numbers, but its shape is {values.shape}.",
            "The statistics must be of the data set that the model was trained on.",
        )
    with np.errstate(over="ignore"):
        numbers = np.array(values, dtype=np.float32)
    if not np.isfinite(numbers).all():
        raise ArtifactError(f"{path} holds NaN, infinite or absurdly large values.", hint)
    return numbers

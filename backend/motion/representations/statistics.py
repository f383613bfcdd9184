"""Mean and standard deviation of a data set in one representation."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ...errors import FormatError
from .spec import RepresentationSpec


def mean_std(
    clips: Iterable[np.ndarray], spec: RepresentationSpec
) -> tuple[np.ndarray, np.ndarray]:
    """Column mean, and standard deviation averaged inside each block, as HumanML3D and MS272 do.

    Args:
        clips: arrays ``[T, dim]``; a clip that holds NaN is left out.

    Returns:
        ``mean [dim]`` and ``std [dim]`` (population, all frames of all clips), float32, which is
        also the precision the published files were computed in.

    Raises:
        FormatError: a clip of another width, or no clip without NaN.
    """
    kept = []
    for clip in clips:
        if clip.ndim != 2 or clip.shape[1] != spec.dim:
            raise FormatError(
                f"{spec.name} has {spec.dim} columns, not {list(clip.shape)}.",
                f"Give clips of shape [T, {spec.dim}].",
            )
        if not np.isnan(clip).any():
            kept.append(np.asarray(clip, dtype=np.float32))
    if not kept:
        raise FormatError(
            "There is no clip without NaN to compute statistics from.", "Check the data folder."
        )
    frames = np.concatenate(kept)
    mean, std = frames.mean(axis=0), frames.std(axis=0)
    for name in spec.names:
        columns = spec.columns(name)
        std[columns] = std[columns].mean()
    return mean, std


def normalise(x: np.ndarray, mean: np.ndarray, std: np.ndarray, floor: float = 0.0) -> np.ndarray:
    """``(x - mean) / (std + floor)`` of ``[..., D]``, ``mean`` and ``std`` ``[D]``.

    STMC uses a floor of 1e-12, the other data sets none.
    """
    return (x - mean) / (std + floor)


def denormalise(x: np.ndarray, mean: np.ndarray, std: np.ndarray, floor: float = 0.0) -> np.ndarray:
    """The inverse of :func:`normalise`, ``[..., D]`` in the representation's own units."""
    return x * (std + floor) + mean

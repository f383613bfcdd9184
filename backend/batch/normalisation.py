"""Mean and deviation files that undo a normalisation, and features that still need them."""

from __future__ import annotations

import functools

import numpy as np

from ..errors import FormatError, InvalidRequest
from ..motion import convert
from ..motion.io import load

MAX_STATISTIC = 1e4
"""Largest mean or standard deviation that is believed; features are metres, radians and rot6d."""

_STATISTICS_HINT = "Use the Mean.npy and Std.npy that the features were normalised with."
_NORMALISED = ("hml263", "ms272", "smplrifke205")
WARNING = (
    "its rotations are no rotations; it looks normalised: give the --mean and --std of its data set"
)


@functools.lru_cache(maxsize=4)
def statistics(mean: str, std: str, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of ``dim`` columns; :class:`FormatError` when they have another width."""
    arrays = load.read_array(mean), load.read_array(std)
    for path, array in zip((mean, std), arrays, strict=True):
        if array.shape != (dim,):
            raise FormatError(
                f"{path} has shape {list(array.shape)}.", f"Expected {dim} finite numbers."
            )
    return arrays


def check_statistics(mean: str, std: str) -> None:
    """Refuse files that no data set's mean and standard deviation can be.

    Raises:
        InvalidRequest: a missing or unreadable file, widths that differ, or numbers that undo no
            normalisation: not finite, beyond :data:`MAX_STATISTIC`, or deviations below zero or all
            zero. Single zeros are columns that never move.
    """
    arrays = {}
    for path in (mean, std):
        try:
            arrays[path] = load.read_array(path)
        except FormatError as error:
            raise InvalidRequest(error.message, error.hint) from error
        numbers = arrays[path]
        if numbers.ndim != 1 or numbers.dtype.kind not in "fiu":
            raise InvalidRequest(
                f"{path} holds {numbers.dtype} of shape {list(numbers.shape)}.",
                "Mean and std are lists of one number per column.",
            )
        if not np.isfinite(numbers).all():
            raise InvalidRequest(f"{path} holds numbers that are not finite.", _STATISTICS_HINT)
        if np.abs(numbers.astype(np.float64)).max(initial=0.0) > MAX_STATISTIC:
            raise InvalidRequest(
                f"{path} holds numbers beyond {MAX_STATISTIC:g}; they are no metres or radians.",
                _STATISTICS_HINT,
            )
    if arrays[mean].shape != arrays[std].shape:
        raise InvalidRequest(
            f"{mean} has {len(arrays[mean])} numbers and {std} has {len(arrays[std])}.",
            _STATISTICS_HINT,
        )
    if (arrays[std] < 0).any() or not (arrays[std] > 0).any():
        what = "below zero" if (arrays[std] < 0).any() else "that are all zero"
        raise InvalidRequest(
            f"{std} holds standard deviations {what}.",
            f"{_STATISTICS_HINT} Did --mean and --std change places?",
        )


def looks_normalised(data: np.ndarray, name: str) -> bool:
    """Whether features look like mean 0 and deviation 1, as a model without its statistics gives.

    Told by the rotations of 263, 272 and 205 features: a rot6d is two vectors of length 1, which a
    network's output misses by a little and normalised numbers by any amount.
    """
    if name not in _NORMALISED:
        return False
    vectors = data[:, convert.SPECS[name].columns("rotations")].reshape(-1, 3)
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=-1)
    return bool(np.mean(np.abs(lengths - 1.0) > 0.3) > 0.5)

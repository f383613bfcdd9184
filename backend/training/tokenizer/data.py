"""Clips in HumanML3D's layout, for trainers that need no captions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import FormatError
from ...motion.representations import hml263
from ...motion.representations.statistics import mean_std

SPEC = hml263.SPEC
VECTORS = "new_joint_vecs"
_HINT = (
    f"Expected HumanML3D's layout: {VECTORS}/NAME.npy [T, {SPEC.dim}], train.txt, and val.txt or "
    "test.txt (see `kinetype train hml3d`)."
)


@dataclass(frozen=True)
class FeatureClips:
    """Clips for training and for checking, ``[T, 263]`` float32 un-normalised at 20 fps.

    ``mean`` and ``std`` are ``[263]``: the folder's Mean.npy and Std.npy, or computed from the
    training clips where the folder has none (1 where a column never changes).
    """

    train: tuple[np.ndarray, ...]
    val: tuple[np.ndarray, ...]
    mean: np.ndarray
    std: np.ndarray


def load(folder: Path, *, shortest: int) -> FeatureClips:
    """Read a folder; clips of fewer than ``shortest`` frames are left out.

    Raises:
        FormatError: no such layout, a clip that is unreadable, not finite or of another width, or
            no clip that is long enough.
    """
    if not (folder / VECTORS).is_dir():
        raise FormatError(f"{folder} holds no data set.", _HINT)
    train = _clips(folder, ("train.txt",), shortest)
    val = _clips(folder, ("val.txt", "test.txt"), shortest)
    if not train or not val:
        part = "test" if train else "training"
        raise FormatError(f"{folder} has no {part} clip of {shortest} or more frames.", _HINT)
    paths = folder / "Mean.npy", folder / "Std.npy"
    if all(path.is_file() for path in paths):
        mean, std = (_array(path, (SPEC.dim,)) for path in paths)
    else:
        mean, std = mean_std(train, SPEC)
        # a column that never changes stays at zero
        std = np.where(std > 0, std, 1.0).astype(np.float32)
    if not (std > 0).all():
        raise FormatError(f"{folder}: a standard deviation is not above zero.", _HINT)
    return FeatureClips(tuple(train), tuple(val), mean, std)


def _clips(folder: Path, lists: tuple[str, ...], shortest: int) -> list[np.ndarray]:
    path = next((folder / name for name in lists if (folder / name).is_file()), None)
    if path is None:
        raise FormatError(f"{folder} has no {' or '.join(lists)}.", _HINT)
    names = path.read_text(encoding="utf-8").split()
    clips = [_array(folder / VECTORS / f"{name}.npy", (None, SPEC.dim)) for name in names]
    return [clip for clip in clips if len(clip) >= shortest]


def _array(path: Path, shape: tuple[int | None, ...]) -> np.ndarray:
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise FormatError(f"{path} cannot be read: {error}.", _HINT) from error
    fits = len(values.shape) == len(shape) and all(
        want in (None, have) for want, have in zip(shape, values.shape, strict=True)
    )
    if not fits or not np.isfinite(values).all():
        raise FormatError(f"{path} holds {list(values.shape)}, or is not finite.", _HINT)
    return values.astype(np.float32)


def windows(
    clips: tuple[np.ndarray, ...], size: int, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Random windows ``[count, size, 263]``; every place in every clip is equally likely."""
    places = np.array([len(clip) - size + 1 for clip in clips])
    chosen = rng.choice(len(clips), size=count, p=places / places.sum())
    starts = rng.integers(0, places[chosen])
    return np.stack(
        [clips[c][s : s + size] for c, s in zip(chosen.tolist(), starts.tolist(), strict=True)]
    )

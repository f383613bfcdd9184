"""Batches of captioned clips from a folder in HumanML3D's layout, for the MDM trainer.

Clips and sub-clips are those of :mod:`backend.evaluation.hml3d_items`. What a batch holds follows
from the seed, the step and the rank alone, so a resumed run goes on exactly where it stopped.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import FormatError
from ...evaluation.hml3d_items import PADDED_FRAMES, UNIT_FRAMES, Item, load_items
from ...motion.representations import hml263
from ...pipelines.humanml3d import statistics as hml_statistics

SPEC = hml263.SPEC
LAYOUT_HINT = (
    "Expected HumanML3D's layout: new_joint_vecs, texts, Mean.npy, Std.npy and train.txt "
    "(see docs/train-your-own.md)."
)
_SINGLE, _DOUBLE = 2, 1  # of three draws, one is shortened by a unit


@dataclass(frozen=True)
class TextMotionData:
    """Training items with the statistics they are normalised by.

    ``skipped`` names the clips that were left out, with the reason.
    """

    items: tuple[Item, ...]
    mean: np.ndarray
    std: np.ndarray
    skipped: dict[str, str]

    @property
    def captions(self) -> list[str]:
        """Every distinct caption, in order of appearance."""
        return list(dict.fromkeys(c.text for item in self.items for c in item.captions))


def load(folder: Path, split: str = "train") -> TextMotionData:
    """Read the items of a split.

    Raises:
        FormatError: the layout is another, or no clip has a usable length.
        ArtifactError: the statistics do not fit, or are the evaluator's.
    """
    names_file = folder / f"{split}.txt"
    if not names_file.is_file():
        raise FormatError(f"{names_file} is missing.", LAYOUT_HINT)
    # the model's own check: what it would refuse later is not trained with
    stats = hml_statistics.read(folder / "Mean.npy", folder / "Std.npy", SPEC.dim)
    try:
        names = names_file.read_text(encoding="utf-8").split()
        items, skipped = load_items(folder, names, load=_clip)
    except UnicodeDecodeError as error:
        raise FormatError(
            f"{names_file} or a file in {folder / 'texts'} is no UTF-8 text.",
            "Copy the data set again, or save the file as UTF-8.",
            str(error),
        ) from error
    if not items:
        first = next(iter(skipped.items()), ("no clip", "the list is empty"))
        raise FormatError(
            f"{folder} has no clip to train on ({first[0]}: {first[1]}).",
            "Clips of 40 to 199 frames at 20 fps are used. " + LAYOUT_HINT,
        )
    return TextMotionData(tuple(items), stats.mean.numpy(), stats.std.numpy(), skipped)


def _clip(path: Path) -> np.ndarray:
    """One clip; one with NaN (the published set has one) comes back empty and is left out."""
    try:
        # mapped: a damaged header may announce more numbers than memory holds
        values = np.load(path, allow_pickle=False, mmap_mode="r")
    except (OSError, ValueError, EOFError, OverflowError) as error:
        raise FormatError(f"{path} cannot be read: {error}.", LAYOUT_HINT) from error
    if not isinstance(values, np.ndarray):
        raise FormatError(f"{path} is an archive of arrays, not one array.", LAYOUT_HINT)
    if values.ndim != 2 or values.shape[1] != SPEC.dim or values.dtype.kind != "f":
        raise FormatError(
            f"{path} holds {values.dtype} {list(values.shape)}, not [T, {SPEC.dim}].", LAYOUT_HINT
        )
    clip = np.array(values, dtype=np.float32)
    return clip if np.isfinite(clip).all() else clip[:0]


@dataclass(frozen=True)
class TextMotionBatch:
    """``x`` ``[B, 196, 263]`` normalised, zero-padded; ``lengths`` ``[B]``; ``captions``."""

    x: np.ndarray
    lengths: np.ndarray
    captions: list[str]


class TextMotionBatches:
    """Batches by step number: a shuffled pass over all items, then another one.

    Args:
        rank, world: this process and how many there are; they share each pass.
    """

    def __init__(
        self, data: TextMotionData, batch_size: int, seed: int, *, rank: int = 0, world: int = 1
    ) -> None:
        self.data, self.batch_size, self.seed = data, batch_size, seed
        self.rank, self.world = rank, world
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))

    def at(self, step: int) -> TextMotionBatch:
        """The batch of a step, for this rank."""
        rng = np.random.default_rng((self.seed, step, self.rank))
        drawn = [self._draw(self.data.items[i], rng) for i in self._rows(step)]
        x = np.zeros((len(drawn), PADDED_FRAMES, SPEC.dim), np.float32)
        for row, (motion, _) in zip(x, drawn, strict=True):
            row[: len(motion)] = (motion - self.data.mean) / self.data.std
        lengths = np.array([len(motion) for motion, _ in drawn])
        return TextMotionBatch(x, lengths, [caption for _, caption in drawn])

    def _rows(self, step: int) -> np.ndarray:
        whole = self.batch_size * self.world
        passes = max(1, len(self.data.items) // whole)  # the rest of a pass is dropped
        epoch, place = divmod(step, passes)
        if self._order[0] != epoch:
            order = np.random.default_rng((self.seed, epoch)).permutation(len(self.data.items))
            self._order = epoch, np.resize(order, max(len(order), whole))
        start = (place * self.world + self.rank) * self.batch_size
        return self._order[1][start : start + self.batch_size]

    def _draw(self, item: Item, rng: np.random.Generator) -> tuple[np.ndarray, str]:
        """A window whose length is a multiple of 4, and one of its captions."""
        units = len(item.motion) // UNIT_FRAMES
        length = (units - (rng.integers(_SINGLE + _DOUBLE) < _DOUBLE)) * UNIT_FRAMES
        start = int(rng.integers(0, len(item.motion) - length + 1))
        caption = item.captions[rng.integers(len(item.captions))]
        return item.motion[start : start + length], caption.text

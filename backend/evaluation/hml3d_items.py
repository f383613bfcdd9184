"""Test items of a HumanML3D folder, drawn as the published evaluation draws them.

``new_joint_vecs/NAME.npy``, ``texts/NAME.txt`` (``caption#tokens#from#to``) and a split file. See
Guo et al., CVPR 2022, and its ``Text2MotionDatasetV2``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import FormatError
from ..motion.representations.spec import check_finite

FPS = 20.0
MIN_FRAMES, MAX_FRAMES = 40, 200
"""A clip or sub-clip takes part if MIN <= frames < MAX."""
PADDED_FRAMES = 196
UNIT_FRAMES = 4
_PREFIXES = "ABCDEFGHIJKLMNOPQRSTUVW"


@dataclass(frozen=True)
class Caption:
    """A line of a text file; ``start`` = ``end`` = 0 means the whole clip (seconds)."""

    text: str
    tokens: tuple[str, ...]
    start: float = 0.0
    end: float = 0.0


@dataclass(frozen=True)
class Item:
    """One motion ``[T, D]`` un-normalised with the captions that describe it."""

    name: str
    motion: np.ndarray
    captions: tuple[Caption, ...]


def read_captions(path: Path) -> list[Caption]:
    """The lines of a HumanML3D text file.

    Raises:
        FormatError: a line without its four fields; the message has its number.
    """
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip():
            continue
        fields = line.strip().split("#")
        try:
            text, tokens, start, end = fields[:4]
            times = [0.0 if np.isnan(float(v)) else float(v) for v in (start, end)]
        except ValueError as error:
            raise FormatError(
                f"{path}, line {number}: not caption#tokens#from#to.",
                "The files in texts/ must have HumanML3D's layout.",
            ) from error
        found.append(Caption(text, tuple(tokens.split()), *times))
    return found


def load_items(
    folder: Path,
    names: Sequence[str],
    *,
    rng: random.Random | None = None,
    load: Callable[[Path], np.ndarray] | None = None,
) -> tuple[list[Item], dict[str, str]]:
    """The items of a split, and the names left out with the reason.

    Captions with times become items of their own, named with a random letter. Items are sorted by
    length (stable), as the released loader sorts them.

    Args:
        rng: draws the letters; pass ``random.Random(seed)`` to repeat a run.
        load: reads one file to ``[T, D]``; NumPy without pickles when None.
    """
    rng = rng or random.Random(0)
    items: dict[str, Item] = {}
    skipped: dict[str, str] = {}
    for name in names:
        path = folder / "new_joint_vecs" / f"{name}.npy"
        texts = folder / "texts" / f"{name}.txt"
        if not path.is_file() or not texts.is_file():
            skipped[name] = f"{(texts if path.is_file() else path).name} is missing"
            continue
        motion = load(path) if load else np.load(path, allow_pickle=False)
        motion = check_finite(motion, f"{path}")
        if not MIN_FRAMES <= len(motion) < MAX_FRAMES:
            skipped[name] = f"{len(motion)} frames"
            continue
        whole = []
        for caption in read_captions(texts):
            if caption.start == 0.0 and caption.end == 0.0:
                whole.append(caption)
                continue
            part = motion[int(caption.start * FPS) : int(caption.end * FPS)]
            if MIN_FRAMES <= len(part) < MAX_FRAMES:
                label = f"{rng.choice(_PREFIXES)}_{name}"
                while label in items:
                    label = f"{rng.choice(_PREFIXES)}_{name}"
                items[label] = Item(label, part, (caption,))
        if whole:
            items[name] = Item(name, motion, tuple(whole))
    return sorted(items.values(), key=lambda item: len(item.motion)), skipped


class ItemSampler:
    """Draws caption, length and window of an item in the order of the released loader.

    ``first`` takes the first caption instead of a random one (no draw is made for it then).
    """

    def __init__(self, seed: int, *, first: bool = False) -> None:
        self._python = random.Random(seed)
        self._numpy = np.random.RandomState(seed)
        self._first = first

    def draw(self, item: Item) -> tuple[Caption, int, int]:
        """Caption, first frame and length: a multiple of 4, now and then 4 frames shorter."""
        captions = item.captions
        caption = captions[0] if self._first else self._python.choice(captions)
        units = len(item.motion) // UNIT_FRAMES
        if self._numpy.choice(["single", "single", "double"]) == "double":
            units -= 1
        length = units * UNIT_FRAMES
        return caption, self._python.randint(0, len(item.motion) - length), length

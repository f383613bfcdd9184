"""The motion-caption dataset on disk that training and evaluation read.

One folder:

``motion.safetensors``   ``features`` [N, D] float32 (all items one after the other, native
                         representation and frame rate, un-normalised) and, for real clips at
                         their own rate, ``motion135`` [M, 135] float32 at 30 fps.
``items.json``           ``{"representation", "fps", "clips": [...], "items": [...]}``. A clip names
                         its rows of ``motion135``; an item names its rows of ``features``, its
                         split, its label, whether it is mirrored, and its caption pool.
``captions.json``        list of pools; a pool is a list of sentences that all describe the item.
``text.safetensors``     ``sentence`` [K, 384] of every distinct sentence, ``pool_rows`` and
                         ``pool_starts`` that say which rows belong to which pool.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from ...errors import FormatError
from ...motion.io.atomic import atomic_path


@dataclass(frozen=True)
class Clip:
    """One real recording: rows ``start .. start + length`` of ``motion135`` (30 fps)."""

    name: str
    split: str
    start: int
    length: int
    content: str = ""
    style: str = ""
    pace: str = ""


@dataclass(frozen=True)
class Item:
    """One training example: rows ``start .. start + length`` of ``features``.

    ``content``, ``style`` and ``pace`` are those of the item as it is (a mirrored item has the
    mirrored content). ``speed`` is the time-warp it was made with, ``window`` says that any window
    of a few seconds is as good as the whole (a dance), so training takes random ones. ``label`` is
    the action without its side; several are joined with "+", one after the other. ``source`` is
    "capture", "hand-keyed", "held" (a pose that was kept) or "joined" (two clips). The pools
    ``slow`` and ``fast`` are the captions with words for the speed, ``phrases`` those of the label;
    -1 is none.
    """

    clip: str
    split: str
    start: int
    length: int
    pool: int
    mirrored: bool = False
    speed: float = 1.0
    window: bool = False
    content: str = ""
    style: str = ""
    pace: str = ""
    label: str = ""
    source: str = "capture"
    slow: int = -1
    fast: int = -1
    phrases: int = -1


@dataclass(frozen=True)
class MotionDataset:
    """A dataset folder in memory; arrays as the module says."""

    representation: str
    fps: float
    features: np.ndarray
    motion135: np.ndarray
    clips: tuple[Clip, ...]
    items: tuple[Item, ...]
    pools: tuple[tuple[str, ...], ...]

    def item_features(self, item: Item) -> np.ndarray:
        """``[length, D]`` un-normalised features of an item."""
        return self.features[item.start : item.start + item.length]

    def clip_motion(self, clip: Clip) -> np.ndarray:
        """``[length, 135]`` motion_135 at 30 fps of a recording."""
        return self.motion135[clip.start : clip.start + clip.length]

    def save(self, folder: Path) -> None:
        """Write the folder; each file appears whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        header = {
            "representation": self.representation,
            "fps": self.fps,
            "clips": [asdict(c) for c in self.clips],
            "items": [asdict(i) for i in self.items],
        }
        write_arrays(
            folder / "motion.safetensors",
            {"features": self.features, "motion135": self.motion135},
        )
        _write_json(folder / "captions.json", [list(p) for p in self.pools])
        _write_json(folder / "items.json", header)

    @classmethod
    def load(cls, folder: str | Path) -> MotionDataset:
        """Read a folder; :class:`FormatError` names the file that is missing or broken."""
        folder = Path(folder)
        header = read_json(folder / "items.json")
        pools = read_json(folder / "captions.json")
        arrays = read_arrays(folder / "motion.safetensors")
        try:
            return cls(
                header["representation"],
                float(header["fps"]),
                arrays["features"],
                arrays["motion135"],
                tuple(Clip(**c) for c in header["clips"]),
                tuple(Item(**i) for i in header["items"]),
                tuple(tuple(p) for p in pools),
            )
        except (KeyError, TypeError) as error:
            raise FormatError(
                f"{folder} is not a Kinetype dataset ({error}).",
                "Make it again: kinetype train data.",
            ) from error


def read_json(path: Path) -> Any:
    """JSON of a dataset file, or a :class:`FormatError` that says how to make the dataset."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(
            f"{path} cannot be read ({error}).", "Make the dataset with: kinetype train data."
        ) from error


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays of a dataset file, or a :class:`FormatError`."""
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise FormatError(
            f"{path} cannot be read ({error}).", "Make the dataset with: kinetype train data."
        ) from error


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write safetensors whole or not at all (save_file would make the file private)."""
    # safetensors writes the memory as it lies: transposed arrays would come back scrambled
    rows = {name: np.ascontiguousarray(value) for name, value in arrays.items()}
    with atomic_path(path) as temporary:
        Path(temporary).write_bytes(save(rows))


def _write_json(path: Path, value: object) -> None:
    with atomic_path(path) as temporary:
        Path(temporary).write_text(json.dumps(value), encoding="utf-8")

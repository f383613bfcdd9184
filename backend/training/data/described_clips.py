"""A dataset of short npz motions, each with sentences of its own: the recipe for a studio's clips.

Motions carry the keys of AMASS (``motion.io.npz``); one JSON file holds, per clip, ``captions`` (a
list of sentences) and optionally ``action``, ``detail`` (a finer action; it is the label),
``style``, ``kind`` ("capture" or "hand-keyed"), ``take`` (the recording that it was cut from) and
any other key to choose by. Files of one recording must not lie in both parts of the split.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FormatError
from ...motion.io.npz import read_motion
from ...motion.mirror import mirror_motion135
from ...motion.representations import motion135, smplrifke205
from .caption_words import swap_words
from .dataset import Clip, Item, MotionDataset, read_json

SETTINGS = Path(__file__).with_name("described_clips.json")
"""Which labels are cyclic, words for speeds, sentences for held poses: ours."""
MAX_FRAMES = 196
SIDES = {"left": "right", "right": "left", "leftward": "rightward", "rightward": "leftward",
         "clockwise": "counterclockwise", "counterclockwise": "clockwise"}  # fmt: skip
SPEED_CAPTIONS = 5
"""Captions of a clip that get words for slow, and as many for fast."""


@dataclass
class Collector:
    """Rows, items and caption pools of a dataset in the making."""

    clips: list[Clip] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    motion: list[np.ndarray] = field(default_factory=list)
    features: list[np.ndarray] = field(default_factory=list)
    pools: dict[tuple[str, ...], int] = field(default_factory=dict)
    motion_rows: int = 0
    feature_rows: int = 0

    def pool(self, sentences: Sequence[str]) -> int:
        """Number of the pool of these sentences; -1 for none."""
        key = tuple(dict.fromkeys(sentences))
        return self.pools.setdefault(key, len(self.pools)) if key else -1

    def add_clip(self, clip: Clip, motion: np.ndarray) -> None:
        """A recording ``[T, 135]`` at 30 fps."""
        self.clips.append(replace(clip, start=self.motion_rows, length=len(motion)))
        self.motion.append(motion.astype(np.float32))
        self.motion_rows += len(motion)

    def add_item(self, item: Item, features: np.ndarray) -> None:
        """An example ``[T, 205]`` at 20 fps."""
        self.items.append(replace(item, start=self.feature_rows, length=len(features)))
        self.features.append(features.astype(np.float32))
        self.feature_rows += len(features)

    def finish(self) -> MotionDataset:
        """The dataset."""
        return MotionDataset(
            "smplrifke205",
            smplrifke205.SPEC.fps,
            np.concatenate([np.zeros((0, smplrifke205.SPEC.dim), np.float32), *self.features]),
            np.concatenate([np.zeros((0, motion135.SPEC.dim), np.float32), *self.motion]),
            tuple(self.clips),
            tuple(self.items),
            tuple(self.pools),
        )


def build(
    clips_root: Path,
    captions_json: Path,
    split_json: Path | None = None,
    *,
    only: Mapping[str, str] | None = None,
    phrases: Mapping[str, Sequence[str]] | None = None,
    on_clip: Callable[[int, int], None] | None = None,
) -> MotionDataset:
    """Convert npz motions with captions to a :class:`MotionDataset` (smplrifke205 at 20 fps).

    Training clips are stored as they are and mirrored, with left and right swapped in the captions;
    clips of the validation split as they are.

    Args:
        clips_root: folder that holds the ``<id>.npz`` files somewhere below it.
        captions_json: id -> what the module says.
        split_json: ids of ``train`` and ``val``; None trains on every clip.
        only: keys and values that an entry must have, for example ``{"tier": "A"}``.
        phrases: further sentences of each label, with sides as they are in the data.
        on_clip: called with (done, total).

    Raises:
        FormatError: no such clip below ``clips_root``, or files that do not fit together.
    """
    entries = _entries(captions_json, only or {})
    parts = read_json(split_json) if split_json else {}
    part_of = {name: part for part in ("train", "val") for name in parts.get(part, ())}
    files = {p.stem: p for p in sorted(clips_root.rglob("*.npz"))}
    names = [n for n in sorted(entries) if n in files and (not parts or n in part_of)]
    if not names:
        raise FormatError(
            f"No described npz motion lies below {clips_root}.",
            f"Its files must be called as the entries of {captions_json.name}: <id>.npz.",
        )
    own = settings()
    found = Collector()
    for done, name in enumerate(names):
        part = part_of.get(name, "train")
        motion = read_motion(files[name]).data
        _add(found, name, part, motion, entries[name], own, phrases or {})
        if on_clip is not None:
            on_clip(done + 1, len(names))
    return found.finish()


def settings() -> dict[str, Any]:
    """The words and names of :data:`SETTINGS`."""
    found: dict[str, Any] = json.loads(SETTINGS.read_text(encoding="utf-8"))
    return found


def _entries(path: Path, only: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    values = read_json(path)
    if not isinstance(values, dict):
        raise FormatError(f"{path} is no JSON object.", "See docs/train-your-own.md.")
    for name, entry in values.items():
        sentences = entry.get("captions") if isinstance(entry, dict) else None
        if not isinstance(sentences, list) or not all(isinstance(s, str) for s in sentences):
            raise FormatError(
                f"{path}: clip {name} has no captions.", "Give each clip a list of sentences."
            )
    return {
        name: entry
        for name, entry in values.items()
        if all(str(entry.get(key)) == value for key, value in only.items())
    }


def _add(
    found: Collector,
    name: str,
    part: str,
    motion: np.ndarray,
    entry: Mapping[str, Any],
    words: Mapping[str, Any],
    phrases: Mapping[str, Sequence[str]],
) -> None:
    label = str(entry.get("detail") or entry.get("action") or "")
    take = str(entry.get("take") or name)
    clip = Clip(take, part, 0, 0, label, str(entry.get("style") or ""))
    found.add_clip(clip, motion)
    for mirrored in (False, True) if part == "train" else (False,):
        body = mirror_motion135(motion) if mirrored else motion
        own = [_sided(s, mirrored) for s in entry["captions"]]
        more = [_sided(s, mirrored) for s in phrases.get(label, ())]
        item = Item(
            clip=take,
            split=part,
            start=0,
            length=0,
            pool=found.pool(own),
            mirrored=mirrored,
            window=label in words["cyclic"],
            content=label,
            style="",
            label=label,
            source=str(entry.get("kind") or "capture"),
            slow=found.pool(with_words(own, words["slow"])),
            fast=found.pool(with_words(own, words["fast"])),
            phrases=found.pool(more),
        )
        found.add_item(item, smplrifke205.from_motion135(body)[:MAX_FRAMES])


def _sided(sentence: str, mirrored: bool) -> str:
    return swap_words(sentence, SIDES) if mirrored else sentence


def with_words(sentences: Sequence[str], words: Sequence[str]) -> list[str]:
    """Some of the sentences, each with one of the ``words`` behind it; the choice is fixed."""
    plain = [s for s in sentences if len(s.split()) <= 10][:SPEED_CAPTIONS]
    offset = sum(map(len, plain))
    return [f"{s} {words[(offset + k) % len(words)]}" for k, s in enumerate(plain)]


def merge(datasets: Sequence[MotionDataset]) -> MotionDataset:
    """Several datasets of one representation as one.

    Raises:
        FormatError: their representations or frame rates differ.
    """
    first = datasets[0]
    if any((d.representation, d.fps) != (first.representation, first.fps) for d in datasets):
        raise FormatError(
            "The datasets have different representations.", "Make them all with this version."
        )
    found = Collector()
    for data in datasets:
        new = [found.pool(p) for p in data.pools] + [-1]
        for clip in data.clips:
            found.add_clip(clip, data.clip_motion(clip))
        for item in data.items:
            moved = replace(
                item,
                pool=new[item.pool],
                slow=new[item.slow],
                fast=new[item.fast],
                phrases=new[item.phrases],
            )
            found.add_item(moved, data.item_features(item))
    return found.finish()

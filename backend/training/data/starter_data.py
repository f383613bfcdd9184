"""The starter dataset: Bandai-Namco Research Motiondataset 1 and 2 as smplrifke205 with captions.

Data (c) 2022 Bandai Namco Research Inc., CC BY-NC 4.0 (Kobayashi et al., arXiv 2306.08861).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FormatError
from ...motion.io import bvh
from ...motion.mirror import mirror_motion135
from ...motion.representations import smplrifke205
from ...motion.resample import resample_motion135
from ...wire.skeleton import MOTION_FPS
from ...motion.retarget.profiles import RetargetProfile, profile_path, retarget
from .caption_words import swap_words
from .described_clips import settings
from .captions import CaptionGrammar
from .dataset import Clip, Item, MotionDataset, read_json

PARAPHRASES = Path(__file__).with_name("paraphrases.json")
"""More wordings for the caption grammar, ours."""
CAPTIONS_PER_POOL = 144
MAX_FRAMES = 196
RARE_CLIPS = 20
"""Contents with fewer recordings than this get time-warped copies."""
RARE_SPEEDS = (0.85, 0.93, 1.0, 1.08, 1.17)
SKIPPED = frozenset({"dataset-2_wave-left-hand_active_011"})
"""Fragments that the dataset's notes advise to leave out."""


@dataclass(frozen=True)
class _Take:
    """A stretch of one recording with one meaning, in frames at 30 fps."""

    clip: str
    start: int
    stop: int | None
    content: str
    window: bool = False


def build(
    bvh_root: Path,
    captions_json: Path,
    split_json: Path,
    *,
    paraphrases: dict[str, Any] | None = None,
    profile_json: Path | None = None,
    seed: int = 0,
    on_clip: Callable[[int, int], None] | None = None,
) -> MotionDataset:
    """Convert BVH files and captions to a :class:`MotionDataset` (smplrifke205 at 20 fps).

    Every take is stored as it is and mirrored (left and right swapped in the captions too); rare
    contents also at several speeds. Clips of the validation split are stored unwarped and
    unmirrored.

    Args:
        bvh_root: folder that holds the BVH files somewhere below it.
        captions_json: labels and segments of the clips, with either the grammar that makes
            sentences of the labels or, per clip, ``captions``: the sentences themselves.
        split_json: clip names of ``train`` and ``val``.
        paraphrases: more wordings for the grammar.
        profile_json: how the skeleton of the files maps to SMPL-22; None for the Bandai-Namco one.
        on_clip: called with (done, total).

    Raises:
        FormatError: no BVH below ``bvh_root``, or files that do not fit together.
    """
    labels, split = read_json(captions_json), read_json(split_json)
    grammar = CaptionGrammar(labels, paraphrases) if "contents" in labels else None
    files = {p.stem: p for p in sorted(bvh_root.rglob("*.bvh"))}
    names = [n for n in sorted(labels["clips"]) if n in files and n not in SKIPPED]
    if not names:
        raise FormatError(
            f"No labelled BVH file lies below {bvh_root}.", "Unpack the archive there first."
        )
    profile = RetargetProfile.load(profile_json or profile_path("bandai_namco"))
    of_split = {name: part for part in ("train", "val") for name in split[part]}
    counts: dict[str, int] = {}
    for name in names:
        content = labels["clips"][name].get("content", "")
        counts[content] = counts.get(content, 0) + 1
    swap = labels.get("swap", {"left": "right", "right": "left"})
    builder = _Builder(grammar, swap, np.random.default_rng(seed))
    for done, name in enumerate(names):
        label = labels["clips"][name]
        clip = bvh.read(files[name])
        motion = retarget(clip, profile, snap_heading=name.startswith("dataset-2"))
        part = of_split.get(name, "train")
        content = label.get("content", "")
        builder.add_clip(name, part, resample_motion135(motion, clip.fps, MOTION_FPS), label)
        for take in _takes(name, content, labels.get("segments", {}).get(name)):
            rare = 0 < counts[content] < RARE_CLIPS and bool(content) and part == "train"
            builder.add_take(take, part, motion[take.start : take.stop], clip.fps, label, rare)
        if on_clip is not None:
            on_clip(done + 1, len(names))
    return builder.finish()


def _takes(name: str, content: str, segments: list[dict[str, Any]] | None) -> Iterator[_Take]:
    if not segments:
        yield _Take(name, 0, None, content)
        return
    for part in segments:
        window = "window" in part.get("crop", "")
        yield _Take(name, part["start"], part["end"], part["content"], window)


def _labels(label: dict[str, Any]) -> tuple[str, str, str]:
    return label.get("content", ""), label.get("style", ""), label.get("pace", "")


class _Builder:
    def __init__(
        self, grammar: CaptionGrammar | None, swap: dict[str, str], rng: np.random.Generator
    ) -> None:
        self.grammar, self.swap, self.rng = grammar, swap, rng
        self.names: dict[str, str] = settings()["labels"]
        self.clips: list[Clip] = []
        self.items: list[Item] = []
        self.motion: list[np.ndarray] = []
        self.features: list[np.ndarray] = []
        self.pools: dict[tuple[str, ...], int] = {}
        self.sentences: list[tuple[str, ...]] = []
        self.motion_rows = self.feature_rows = 0

    def add_clip(self, name: str, split: str, motion: np.ndarray, label: dict[str, object]) -> None:
        content, style, pace = _labels(label)
        clip = Clip(name, split, self.motion_rows, len(motion), content, style, pace)
        self.clips.append(clip)
        self.motion.append(motion)
        self.motion_rows += len(motion)

    def add_take(
        self,
        take: _Take,
        split: str,
        motion: np.ndarray,
        fps: float,
        label: dict[str, Any],
        rare: bool,
    ) -> None:
        _, style, pace = _labels(label)
        for mirrored in (False, True) if split == "train" else (False,):
            content = take.content
            if mirrored and self.grammar is not None:
                content = self.grammar.mirror_of(content)
            body = mirror_motion135(motion) if mirrored else motion
            pool = self._pool(content, style, pace, label.get("captions"), mirrored)
            for speed in RARE_SPEEDS if rare else (1.0,):
                # a faster copy is the same frames read as if they were recorded at a higher rate
                rows = smplrifke205.from_motion135(body, source_fps=fps * speed)
                limit = len(rows) if take.window else MAX_FRAMES
                rows = rows[:limit].astype(np.float32)
                self.items.append(
                    Item(
                        take.clip,
                        split,
                        self.feature_rows,
                        len(rows),
                        pool,
                        mirrored,
                        speed,
                        take.window,
                        content,
                        style,
                        pace,
                        self.names.get(content, content),
                    )
                )
                self.features.append(rows)
                self.feature_rows += len(rows)

    def _pool(
        self, content: str, style: str, pace: str, captions: list[str] | None, mirrored: bool
    ) -> int:
        """Number of the caption pool of a label, or of a clip's own sentences."""
        if captions:
            key = tuple(swap_words(c, self.swap) if mirrored else c for c in captions)
        else:
            key = (content, style, pace)
        if key not in self.pools:
            self.pools[key] = len(self.sentences)
            self.sentences.append(key if captions else self._drawn(content, style, pace))
        return self.pools[key]

    def _drawn(self, content: str, style: str, pace: str) -> tuple[str, ...]:
        if self.grammar is None:
            raise FormatError(
                "The captions file has neither a grammar nor captions for every clip.",
                "Give each clip its captions; see docs/train-your-own.md.",
            )
        pool = self.grammar.pool(content, style, CAPTIONS_PER_POOL, self.rng, pace=pace or None)
        return tuple(pool)

    def finish(self) -> MotionDataset:
        return MotionDataset(
            "smplrifke205",
            smplrifke205.SPEC.fps,
            np.concatenate(self.features),
            np.concatenate(self.motion),
            tuple(self.clips),
            tuple(self.items),
            tuple(self.sentences),
        )

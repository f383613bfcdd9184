"""The prompts that the starter model is measured with."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backend.models.motion_classifier.inputs import FPS, MAX_FRAMES
from backend.training.data.captions import CaptionGrammar
from backend.training.data.dataset import Item, MotionDataset

from .labels import RARE_GROUPS, accepted, merged, phrase_owners

FREE_PROMPTS = Path(__file__).with_name("free_prompts.json")
SHORTEST_FRAMES = 40
"""Segments of punches last 1.6 s; nobody asks for a clip under two seconds."""


@dataclass(frozen=True)
class Sample:
    """One motion to make and what would be a right answer.

    Attributes:
        group: ``val``, ``rare``, ``dataset1``, ``free`` or ``bare``; part: finer name (rare group,
            or the prompt itself).
        contents: merged labels that are right; style: expected style or None.
        frames: length at 20 fps; item: the real take that the prompt was written for, if any.
    """

    group: str
    part: str
    prompt: str
    contents: frozenset[str]
    style: str | None
    frames: int
    seed: int
    item: Item | None = None


class PromptMaker:
    """Draws samples; the same seed gives the same ones."""

    def __init__(self, dataset: MotionDataset, captions: dict[str, Any], seed: int = 0) -> None:
        self.captions = captions
        # without paraphrases: the measured sentences are those of the published grammar
        self.grammar = CaptionGrammar(captions)
        self.rng = np.random.default_rng(seed)
        self.real = [i for i in dataset.items if not i.mirrored and i.speed == 1.0]

    def _sample(self, group: str, part: str, item: Item, content: str, frames: int) -> Sample:
        pace = item.pace if item.pace in ("slow", "mid", "fast") else None
        prompt = self.grammar.sample(content, item.style, self.rng, pace=pace)
        right = accepted(prompt, content, self.captions)
        frames = int(np.clip(frames, SHORTEST_FRAMES, MAX_FRAMES))
        seed = int(self.rng.integers(2**31))
        return Sample(group, part, prompt, right, item.style, frames, seed, item)

    def validation(self, captions_each: int) -> list[Sample]:
        """Captions of the validation clips at the clips' own lengths, one round after another."""
        items = [i for i in self.real if i.split == "val"]
        return [
            self._sample("val", str(turn), item, item.content, item.length)
            for turn in range(captions_each)
            for item in items
        ]

    def rare(self, each: int) -> list[Sample]:
        """``each`` captions for every rare group, spread over its contents and styles."""
        out = []
        for name, contents in RARE_GROUPS.items():
            pool: dict[tuple[str, str], list[Item]] = defaultdict(list)
            for content in contents:
                wanted = {content, self.grammar.mirror_of(content)}
                for item in self.real:
                    if item.content in wanted and item.split == "train":
                        pool[(content, item.style)].append(item)
            keys = sorted(pool)
            keys = [keys[i] for i in self.rng.permutation(len(keys))]
            for turn in range(each):
                content, style = keys[turn % len(keys)]
                items = pool[(content, style)]
                item = items[self.rng.integers(len(items))]
                frames = int(self.rng.integers(80, 160)) if item.window else item.length
                out.append(self._sample("rare", name, item, content, frames))
        return out

    def dataset1(self, each: int = 1) -> list[Sample]:
        """Captions for every (content, style) pair of dataset-1: one recording per pair."""
        pairs: dict[tuple[str, str], Item] = {}
        for item in self.real:
            if item.clip.startswith("dataset-1") and not item.window:
                pairs.setdefault((item.content, item.style), item)
        return [
            self._sample("dataset1", f"{c} {s}", item, c, item.length)
            for (c, s), item in sorted(pairs.items())
            for _ in range(each)
        ]

    def free(self, seeds: int) -> list[Sample]:
        """The free wordings, ``seeds`` motions each, and the bare verbs."""
        listed = load_free()
        out = []
        for group, key in (("free", "prompts"), ("bare", "bare")):
            for entry in listed[key]:
                right = merged(entry["contents"])
                frames = round(entry["seconds"] * FPS)
                for _ in range(seeds):
                    seed = int(self.rng.integers(2**31))
                    text = entry["prompt"]
                    style = entry.get("style")
                    out.append(Sample(group, text, text, right, style, frames, seed))
        return out


def load_free() -> dict[str, list[dict[str, Any]]]:
    """``free_prompts.json``."""
    return json.loads(FREE_PROMPTS.read_text(encoding="utf-8"))


def normalise(text: str) -> str:
    """Lower case words separated by single spaces."""
    return " ".join(re.findall(r"[a-z0-9']+", text.lower()))


def grammar_overlap(prompts: Iterable[str], captions: dict[str, Any]) -> dict[str, list[str]]:
    """Prompts that hold a phrase of two words or more of the grammar -> those phrases."""
    phrases = {normalise(p) for p in phrase_owners(captions)}
    long = [f" {p} " for p in phrases if " " in p]
    found = {}
    for prompt in prompts:
        hits = [p.strip() for p in long if p in f" {normalise(prompt)} "]
        if hits:
            found[prompt] = hits
    return found

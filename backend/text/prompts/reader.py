"""Reads a prompt for one model: its parts, their actions, sides, counts, pace, and the unknown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from torch import Tensor

from .action_words import ActionWords
from .amounts import Amounts, reworded
from .clauses import Clause, clauses
from .cores import Core, core_of
from .limbs import sides_of, still_limbs, without_still
from .reading import AskedAction, PartReading, Reading, Status
from .spelling import Speller
from .subjects import manner_of, subject_of, with_subject
from .traits import styles_of, traits

NEAREST = 3
SURE = 0.5
"""Share of its probability that a label needs to be asked for alone; else two share."""
LYING = frozenset(["fall", "sleep", "army_crawl", "roll", "push_up"])
PLAIN = {"dash": "run", "bye": "wave", "byebye": "wave"}
"""What a model that was not taught the finer label makes of it, which is as right."""
ONE_HANDED = {"byebye": "bye", "wave_both": "wave", "raise_both_hands": "raise_hand"}
STIRS = frozenset({"move", "stir", "budge", "stop", "fall", "go"})
HASTE = frozenset(["rush", "hurry", "hasten", "scurry", "race"])


class SentenceEncoder(Protocol):
    """What reading needs of a text encoder."""

    def encode(self, texts: Sequence[str]) -> Any:
        """An object with ``sentence`` [B, D] (rows of length 1) and ``mask`` [B, M]."""


@dataclass(frozen=True)
class _Found:
    """A clause on its way to a part."""

    clause: Clause
    core: Core


class PromptReader:
    """Reads prompts with the words of one model folder.

    Args:
        words: its networks and labels. encoder: of sentences.
    """

    def __init__(self, words: ActionWords, encoder: SentenceEncoder) -> None:
        self.words = words
        self._encoder = encoder
        self._speller = Speller(words.counts, self._is_word)

    def read(self, prompt: str) -> Reading:
        """The whole prompt, cut into its parts in the order of time."""
        spelt, corrections = self._speller.correct(prompt.strip())
        found = [_Found(c, core_of(without_still(c.text))) for c in clauses(reworded(spelt))]
        return Reading(prompt, self._parts(found), corrections)

    def read_part(self, caption: str) -> PartReading:
        """A caption as one part, whatever joins it ("walks and waves" is not cut)."""
        spelt, _ = self._speller.correct(caption.strip())
        text = reworded(spelt)
        whole = clauses(text)
        denied = tuple(d for clause in whole for d in clause.denied)
        words = whole[0].words if len(whole) == 1 else tuple(text.split())
        found = _Found(Clause(words, denied=denied), core_of(whole[0].text))
        return self._parts([replace(found, core=core_of(without_still(" ".join(words))))])[0]

    # ------------------------------------------------------------------ inside

    def _is_word(self, low: str) -> bool:
        """English words are one piece for the encoder's vocabulary: two marks and the word."""
        return int(self._encoder.encode([low]).mask.sum()) <= 3

    def _parts(self, found: Sequence[_Found]) -> tuple[PartReading, ...]:
        denied = [" ".join(words) for f in found for words in f.clause.denied]
        texts = [f.core.text for f in found] + [core_of(d).text for d in denied]
        rows = self.words.probabilities(self._encoder.encode(texts).sentence)
        not_done = self._denied(denied, rows[len(found) :])
        parts: list[PartReading] = []
        subject, manner = "", ""
        for one, row in zip(found, rows, strict=False):
            text = with_subject(one.clause.text, subject, manner)
            subject, manner = subject_of(text) or subject, manner_of(text) or manner
            part = self._after(parts, self._part(one, row, text, not_done))
            if parts and _same(parts[-1], part):
                parts[-1] = replace(parts[-1], text=f"{parts[-1].text}, {one.clause.text}")
                continue
            parts.append(part)
        return tuple(parts)

    def _after(self, before: Sequence[PartReading], part: PartReading) -> PartReading:
        """ "gets up" after a fall is from the ground; "bye-bye with the left" is one-handed."""
        label = part.label
        better = ONE_HANDED.get(label, "") if sum(part.sides) == 1 else ""
        if label == "stand_up" and before and before[-1].label in LYING:
            better = "get_up"
        if not better or part.asked is None or better not in self.words.labels:
            return part
        if better in self.words.known:
            asked = replace(part.asked, label=better)
            return replace(part, labels={better: 1.0}, asked=asked)
        if better == "get_up":
            asked = replace(part.asked, status="near", meant=better)
            return replace(part, asked=asked)
        return part

    def _denied(self, texts: Sequence[str], rows: Tensor) -> tuple[str, ...]:
        names = []
        for text, row in zip(texts, rows, strict=True):
            best = int(row[:-1].argmax())
            stirs = core_of(text).verb in STIRS  # "not moving at all" denies no action
            limbs = still_limbs("", [text])
            if not stirs and not limbs and float(row[-1]) < 1 - self.words.threshold:
                names.append(self.words.labels[best])
        return tuple(names)

    def _part(self, one: _Found, row: Tensor, text: str, not_done: tuple[str, ...]) -> PartReading:
        typed = one.clause.text.lower()
        denied = [" ".join(words) for words in one.clause.denied]
        asked, labels = self._asked(one.core, row, not_done)
        sides = sides_of(typed)
        amounts = _with_haste(one.core)
        label = max(labels, key=lambda name: labels[name], default="")
        return PartReading(
            text,
            labels,
            styles_of(text),
            sides,
            _controls(amounts, label, sides),
            _counted(amounts, label),
            still_limbs(typed, denied),
            not_done,
            one.clause.link,
            asked,
        )

    def _asked(
        self, core: Core, row: Tensor, not_done: tuple[str, ...]
    ) -> tuple[AskedAction, dict[str, float]]:
        """What the words ask for, and the weights of the labels that are made instead or so."""
        w = self.words
        anything = 1.0 - float(row[-1])
        order = [int(i) for i in row[:-1].argsort(descending=True)]
        named = [w.labels[i] for i in order]
        usable = [n for n in named if n in w.known and n not in not_done]
        nearest = tuple(usable[:NEAREST])
        if anything < w.threshold or not nearest:
            return AskedAction(core.asked, "", "unknown", anything, nearest), {}
        meant = next(n for n in named if n not in not_done)
        if meant not in w.known and (plain := PLAIN.get(meant, "")) in usable:
            return AskedAction(core.asked, plain, "known", anything, nearest), {plain: 1.0}
        if meant not in w.known:
            instead = [n for n in traits().near.get(meant, ()) if n in w.known]
            first = tuple(dict.fromkeys([*instead, *nearest]))[:NEAREST]
            label = instead[0] if instead else ""
            status: Status = "near" if instead else "unknown"
            asked = AskedAction(core.asked, label, status, anything, first, meant)
            return asked, {label: 1.0} if label else {}
        weights = {w.labels[i]: float(row[i]) for i in order[:4]}
        weights = {n: p for n, p in weights.items() if n in w.known and n not in not_done}
        total = sum(weights.values())
        top = weights[meant] / total
        labels = {meant: 1.0}
        if top < SURE:
            second = max((n for n in weights if n != meant), key=lambda n: weights[n])
            both = weights[meant] + weights[second]
            labels = {n: round(weights[n] / both, 3) for n in (meant, second)}
        return AskedAction(core.asked, meant, "known", anything, nearest), labels


def _same(before: PartReading, part: PartReading) -> bool:
    """Whether two parts in a row are one ("stops and stands still")."""
    plain = not (part.amounts.count or part.amounts.steps or part.amounts.metres)
    plain = plain and part.sides == before.sides and part.amounts.speed == before.amounts.speed
    return plain and part.label == before.label == "idle" and part.link == "then"


def _with_haste(core: Core) -> Amounts:
    """ "rush down the stairs" says a pace by its verb."""
    if core.verb in HASTE and core.amounts.speed == 1.0:
        return replace(core.amounts, speed=1.3)
    return core.amounts


def _counted(amounts: Amounts, label: str) -> Amounts:
    """ "steps forward once": once is a step where the action is a walk."""
    if label in ("walk", "walk_backward", "sidestep") and amounts.count and not amounts.steps:
        return replace(amounts, count=None, steps=amounts.count)
    return amounts


def _controls(amounts: Amounts, label: str, sides: tuple[bool, bool]) -> dict[str, float]:
    """Amounts as the numbers that a model is conditioned on."""
    controls: dict[str, float] = {}
    if amounts.speed != 1.0:
        controls["tempo"] = round(math.log(amounts.speed), 4)
    if amounts.spot:
        controls |= {"speed": 0.0, "forward": 0.0, "leftward": 0.0}
    if amounts.turn is not None and label not in ("kick_ball", "sidestep"):
        controls["turn"] = amounts.turn
    if amounts.metres is not None and amounts.turn is None and label in traits().travel:
        axis = "leftward" if label == "sidestep" else "forward"
        back = label == "walk_backward" or (label == "sidestep" and sides == (False, True))
        controls[axis] = -amounts.metres if back else amounts.metres
    if amounts.steps is not None:
        controls["steps"] = float(amounts.steps)
    return controls

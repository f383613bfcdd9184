"""Captions for training: a grammar of contents, styles and sentence templates.

A caption file (``captions.json`` of the starter data, or your own) names *contents* (what the body
does, each phrase as ``bare`` / ``third`` / ``ger`` form), *styles* (how) and *templates*. An
optional second file of paraphrases adds free wordings. :class:`CaptionGrammar` draws sentences from
both and is deterministic for a given random generator.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ...errors import FormatError, InvalidRequest
from .caption_words import (
    Template,
    SLOT,
    WORD_SLOTS,
    WordSource,
    load_captions,
    owner_of,
    possessives,
    read_source,
    swap_words,
)

PARAPHRASES_PATH = Path(__file__).with_name("paraphrases.json")

NEUTRAL_STYLE = "normal"
OBJECT_PRONOUNS = frozenset({"he", "she"})
# "like a pupil in class like an old man": at most one comparison in a sentence.
COMPARISON = re.compile(r"\b(?:like|as if|as though)\b")
# "invite someone in in a rage"
DOUBLED = re.compile(r"\b(\w+) \1\b")
REDRAWS = 8
PREPOSITION = re.compile(r" (?:with|of|to|at|by|in|for|while|around) ")
ABOUT_PERSON = re.compile(r"\{adj\} (?:person|character)|feels")
SPEED = re.compile(r"slow|fast|quick|pace|speed|hurry|brisk|rapid", re.IGNORECASE)


@dataclass(frozen=True)
class Mix:
    """Probabilities of the choices the sampler makes."""

    paraphrase: float = 0.5
    unsided: float = 0.15
    styled_when_neutral: float = 0.2
    pace_when_neutral: float = 0.4
    pace_when_styled: float = 0.2
    possessive: float = 0.2
    drop_period: float = 0.4
    capital: float = 0.25


class CaptionGrammar:
    """Draws captions for (content, style) labels.

    Args:
        captions_json: parsed caption file (``contents``, ``styles``, ``neutral_subjects``,
            ``templates``, ``pace_words``, ``swap``).
        paraphrases: parsed paraphrase file with the same parts, or None.
        mix: probabilities of the sampler's choices.

    Raises:
        FormatError: a required part is missing, a content has no phrases, or a template uses an
            unknown placeholder.
    """

    def __init__(
        self,
        captions_json: Mapping[str, Any],
        paraphrases: Mapping[str, Any] | None = None,
        mix: Mix | None = None,
    ) -> None:
        for key in ("contents", "styles", "neutral_subjects", "templates"):
            if key not in captions_json:
                raise FormatError(
                    f"The caption grammar has no '{key}'.", "See docs/train-your-own.md."
                )
        self.mix = mix or Mix()
        self.swap: dict[str, str] = dict(captions_json.get("swap", {}))
        self._contents: dict[str, dict[str, Any]] = dict(captions_json["contents"])
        self._base = read_source(captions_json, self.swap, extra=False)
        self._extra = read_source(paraphrases, self.swap, extra=True) if paraphrases else None
        self._pace = self._merge_pace(captions_json, paraphrases or {})
        for content in self._contents:
            if not self.all_phrases(content):
                raise FormatError(
                    f"Content '{content}' has no phrases.",
                    "Give at least one phrase with 'bare', 'third' and 'ger' forms.",
                )

    @classmethod
    def from_files(
        cls, captions: str | Path, paraphrases: str | Path | None = PARAPHRASES_PATH
    ) -> CaptionGrammar:
        """Load a grammar and the paraphrases that come with Kinetype (None: without)."""
        extra = load_captions(paraphrases) if paraphrases is not None else None
        return cls(load_captions(captions), extra)

    # -- what there is ------------------------------------------------------------------------

    def labels(self) -> tuple[list[str], list[str]]:
        """The names of the contents and of the styles, in file order."""
        return list(self._contents), list(self._base.styles)

    def mirror_of(self, content: str) -> str:
        """The content that a left-right mirrored clip of ``content`` shows."""
        return str(self._content(content).get("mirror", content))

    def is_sided(self, content: str) -> bool:
        """Whether mirroring changes the content."""
        return self.mirror_of(content) != content

    def all_phrases(self, content: str) -> list[dict[str, str]]:
        """Every phrase of a content (original, paraphrases, unsided), each with its three forms."""
        self._content(content)
        found: dict[str, dict[str, str]] = {}
        for source in self._sources():
            for phrase in (*source.phrases.get(content, ()), *source.unsided.get(content, ())):
                found.setdefault(phrase["bare"], phrase)
        return list(found.values())

    # -- drawing ------------------------------------------------------------------------------

    def sample(
        self,
        content: str,
        style: str,
        rng: np.random.Generator,
        *,
        mirrored: bool = False,
        pace: str | None = None,
    ) -> str:
        """Draw one caption.

        Args:
            content: what the body does, as seen: for a mirrored clip already ``mirror_of`` it.
            style: how.
            rng: the only source of randomness.
            mirrored: the clip was mirrored: side words among the style's words are exchanged too
                (those of the content follow from ``content``).
            pace: "slow", "mid" or "fast" (measured), or None; used for contents that take pace
                words only, and only some of the time.

        Raises:
            InvalidRequest: unknown content, style or pace.
        """
        self._content(content)
        self._style(style)
        text = self._draw(content, style, rng, mirrored, pace)
        for _ in range(REDRAWS):
            if len(COMPARISON.findall(text)) <= 1 and not DOUBLED.search(text):
                break
            text = self._draw(content, style, rng, mirrored, pace)
        return text

    def _draw(
        self,
        content: str,
        style: str,
        rng: np.random.Generator,
        mirrored: bool,
        pace: str | None,
    ) -> str:
        unsided = self.is_sided(content) and rng.random() < self.mix.unsided
        source = self._choose_source(content, unsided, rng)
        pace_word = self._pace_word(self._content(content), style, pace, rng)
        words = self._words(source, style, pace_word)
        phrases, nouns = self._phrases(source, content, unsided)
        if pace_word:  # "jogs at an easy pace quickly"
            phrases = [p for p in phrases if not SPEED.search(p["bare"])] or phrases
        template = self._template(source, words, style, nouns, pace_word, rng)
        slots = self._fill_slots(template, source, words, style, phrases, nouns, rng)
        if mirrored:
            for key in ("adv", "clause", "adj", "ssubj"):
                slots[key] = swap_words(slots.get(key, ""), self.swap)
        if source.extra:
            own_limbs = rng.random() < self.mix.possessive
            slots = possessives(slots, owner_of(template["t"], slots), own_limbs=own_limbs)
        text = SLOT.sub(lambda m: slots[m.group(1)], template["t"])
        if pace_word and style != NEUTRAL_STYLE:
            text = self._append(text, template["t"], pace_word)
        return self._finish(text, source, rng)

    def pool(
        self,
        content: str,
        style: str,
        n: int,
        rng: np.random.Generator,
        pace: str | None = None,
    ) -> list[str]:
        """Up to ``n`` different captions (fewer only if 40 n draws give no more)."""
        found: dict[str, None] = {}
        for _ in range(40 * n):
            if len(found) == n:
                break
            found.setdefault(self.sample(content, style, rng, pace=pace))
        return list(found)

    # -- reading ------------------------------------------------------------------------------

    @staticmethod
    def _merge_pace(*files: Mapping[str, Any]) -> dict[str, list[str]]:
        merged: dict[str, list[str]] = {"slow": [], "mid": [], "fast": []}
        for data in files:
            for pace, words in data.get("pace_words", {}).items():
                merged.setdefault(pace, []).extend(words)
        return merged

    def _sources(self) -> list[WordSource]:
        return [self._base] if self._extra is None else [self._base, self._extra]

    def _content(self, content: str) -> dict[str, object]:
        if content not in self._contents:
            raise InvalidRequest(
                f"Unknown content '{content}'.", f"Known: {', '.join(self._contents)}."
            )
        return self._contents[content]

    def _style(self, style: str) -> dict[str, object]:
        if style not in self._base.styles:
            raise InvalidRequest(
                f"Unknown style '{style}'.", f"Known: {', '.join(self._base.styles)}."
            )
        return self._base.styles[style]

    # -- choosing -----------------------------------------------------------------------------

    def _choose_source(self, content: str, unsided: bool, rng: np.random.Generator) -> WordSource:
        chance = rng.random()
        if self._extra is None or not self._extra.templates:
            return self._base
        # Only the paraphrases list phrases that name no side.
        wanted = unsided and bool(self._extra.unsided.get(content))
        return self._extra if wanted or chance < self.mix.paraphrase else self._base

    def _phrases(
        self, source: WordSource, content: str, unsided: bool
    ) -> tuple[list[dict[str, str]], list[str]]:
        if unsided and source.unsided.get(content):
            return source.unsided[content], source.unsided_nouns.get(content, [])
        # A content of one's own has no paraphrases, but their templates take its phrases too.
        for one in (source, *self._sources()):
            if one.phrases.get(content):
                return one.phrases[content], one.nouns.get(content, [])
        raise FormatError(f"Content '{content}' has no sided phrases.", "Add some under 'phrases'.")

    def _pace_word(
        self, info: Mapping[str, object], style: str, pace: str | None, rng: np.random.Generator
    ) -> str | None:
        if pace in (None, "n/a"):
            return None
        if pace not in self._pace:
            raise InvalidRequest(f"Unknown pace '{pace}'.", "Use slow, mid, fast or leave it out.")
        words = self._pace[pace]
        if not info.get("takes_pace_words") or not words:
            return None
        neutral = style == NEUTRAL_STYLE
        chance = self.mix.pace_when_neutral if neutral else self.mix.pace_when_styled
        # Most clips have a medium pace, which people seldom put into words.
        chance *= 0.25 if pace == "mid" else 1.0
        return _pick(words, rng) if rng.random() < chance else None

    def _words(self, source: WordSource, style: str, pace_word: str | None) -> dict[str, list[str]]:
        """Words of a style per placeholder; paraphrases draw from both sources' words."""
        sources = self._sources() if source.extra else [source]
        words = {
            slot: [w for s in sources for w in s.styles.get(style, {}).get(key, ())]
            for slot, key in WORD_SLOTS.items()
        }
        if style == NEUTRAL_STYLE and pace_word:
            words = {slot: [] for slot in WORD_SLOTS}
            words["adv"] = [pace_word]
        elif pace_word:
            words = {
                slot: [w for w in listed if not SPEED.search(w)] or listed
                for slot, listed in words.items()
            }
        words["adv1"] = [w for w in words["adv"] if " " not in w]
        return words

    def _template(
        self,
        source: WordSource,
        words: Mapping[str, list[str]],
        style: str,
        nouns: Sequence[str],
        pace_word: str | None,
        rng: np.random.Generator,
    ) -> Template:
        neutral = style == NEUTRAL_STYLE
        plain = neutral and not pace_word and rng.random() >= self.mix.styled_when_neutral
        mood = self._extra is not None and self._extra.styles.get(style, {}).get("mood", False)
        fitting = [
            t
            for t in source.templates
            if self._fits(t, words, plain=plain, mood=mood, neutral=neutral)
            and (nouns or "{noun}" not in t["t"])
        ]
        if not fitting:  # a grammar of one's own may offer no words for a style
            fitting = [t for t in source.templates if t["needs"] == "none_or_subj"]
            fitting = [t for t in fitting if nouns or "{noun}" not in t["t"]]
        if not fitting:
            raise FormatError(
                f"No template fits style '{style}'.", "Add one with needs 'none_or_subj'."
            )
        weights = np.array([float(t.get("w", 1)) for t in fitting])
        return fitting[int(rng.choice(len(fitting), p=weights / weights.sum()))]

    @staticmethod
    def _fits(
        template: Template,
        words: Mapping[str, list[str]],
        *,
        plain: bool,
        mood: bool,
        neutral: bool,
    ) -> bool:
        needs = template["needs"]
        if needs == "none_or_subj" or plain:
            return plain and needs == "none_or_subj"
        if needs == "adj_mood":
            return mood and bool(words["adj"])
        # "a neutral person walks" says who, not how: only nouns and manners take such adjectives.
        if (
            neutral
            and needs == "adj"
            and re.search(r"\{adj\} (person|character)|feels", template["t"])
        ):
            return False
        return all(words[need] for need in needs.split("+"))

    def _fill_slots(
        self,
        template: Template,
        source: WordSource,
        words: Mapping[str, list[str]],
        style: str,
        phrases: Sequence[dict[str, str]],
        nouns: Sequence[str],
        rng: np.random.Generator,
    ) -> dict[str, str]:
        text, needs = template["t"], template["needs"]
        slots: dict[str, str] = dict(_pick(phrases, rng))
        for slot in SLOT.findall(text):
            if slot in WORD_SLOTS:
                key = "adv1" if slot == "adv" and needs == "adv1" else slot
                slots[slot] = _pick(words[key], rng)
            elif slot == "noun":
                short = [n for n in nouns if not PREPOSITION.search(n)]
                slots[slot] = _pick(short if template.get("short_noun") and short else nouns, rng)
            elif slot == "subj":
                slots[slot] = _pick(self._subjects(source, style, template), rng)
        return slots

    def _subjects(self, source: WordSource, style: str, template: Template) -> list[str]:
        subjects = [s for one in self._sources() for s in one.subjects]
        subjects = subjects if source.extra else source.subjects
        avoid = (
            set(self._extra.styles.get(style, {}).get("avoid_subjects", ()))
            if self._extra
            else set()
        )
        if template.get("object"):
            avoid |= OBJECT_PRONOUNS
        return [s for s in subjects if s not in avoid] or subjects

    # -- finishing ----------------------------------------------------------------------------

    @staticmethod
    def _append(text: str, template: str, words: str) -> str:
        stem = text.removesuffix(".")
        # "walks like an old man, slowly", but "an old man walks slowly".
        action_last = template.removesuffix(".").endswith(("{third}", "{bare}", "{ger}"))
        joint = " " if action_last else ", "
        return stem + joint + words + ("." if text.endswith(".") else "")

    def _finish(self, text: str, source: WordSource, rng: np.random.Generator) -> str:
        text = re.sub(r"\ba (?=[aeiou])(?!uni|one|usual|europ)", "an ", text)
        text = re.sub(r"\s+", " ", text).strip()
        drop, capital = rng.random(2)
        if source.extra:
            if drop < self.mix.drop_period:
                text = text.removesuffix(".")
            if capital < self.mix.capital:
                text = text[0].upper() + text[1:]
        return text


_Item = TypeVar("_Item")


def _pick(items: Sequence[_Item], rng: np.random.Generator) -> _Item:
    return items[int(rng.integers(len(items)))]

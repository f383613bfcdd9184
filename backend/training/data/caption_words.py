"""The word stock of a caption grammar: reading the files, exchanging sides, possessives."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from ...errors import FormatError

SLOT = re.compile(r"\{(\w+)\}")
WORD_SLOTS = {"adv": "adverbs", "clause": "clauses", "adj": "adjectives", "ssubj": "subjects"}
KNOWN_SLOTS = frozenset({"subj", "third", "bare", "ger", "noun", *WORD_SLOTS})
NEEDS = frozenset({"none_or_subj", "adj_mood", "adv1", *WORD_SLOTS})
FORMS = ("bare", "third", "ger")
HIS = re.compile(
    r"^(he|.*\b(man|guy|boy|dude|hero|king|emperor|boss|grandpa|grandfather|lumberjack|cowboy))$"
)
HER = re.compile(
    r"^(she|.*\b(woman|girl|lady|queen|grandma|grandmother|princess|ballerina|diva)"
    r"( in high heels)?)$"
)
SIDED_LIMB = re.compile(r"\bthe (left|right) (hand|arm|leg|foot|fist|ear)\b")


class Template(TypedDict, total=False):
    """A sentence with placeholders: its text and needs (checked), its weight, what it allows."""

    t: str
    needs: str
    w: float
    short_noun: bool
    object: bool


@dataclass(frozen=True)
class WordSource:
    """One grammar: its phrases per content, words per style and templates."""

    phrases: dict[str, list[dict[str, str]]]
    unsided: dict[str, list[dict[str, str]]]
    nouns: dict[str, list[str]]
    unsided_nouns: dict[str, list[str]]
    styles: dict[str, dict[str, Any]]
    subjects: list[str]
    templates: list[Template]
    extra: bool = False


def load_captions(path: str | Path) -> dict[str, object]:
    """Read a caption or paraphrase file.

    Raises:
        FormatError: the file is missing, is not JSON or is not an object.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(
            f"{path} cannot be read as a caption file: {error}",
            "Give a UTF-8 JSON file with 'contents', 'styles' and 'templates'.",
        ) from error
    if not isinstance(data, dict):
        raise FormatError(f"{path} is not a JSON object.", "See docs/train-your-own.md.")
    return data


def swap_words(text: str, swap: Mapping[str, str]) -> str:
    """Exchange whole words by ``swap`` (left and right), all at once; case is kept lower."""
    if not swap:
        return text
    # "-handed", "leftwards" and the like contain the side as the beginning of a longer word.
    pattern = r"\b(" + "|".join(sorted(map(re.escape, swap), key=len, reverse=True)) + r")(?=s?\b)"
    return re.sub(pattern, lambda m: swap[m.group(1)], text)


def read_source(data: Mapping[str, Any], swap: Mapping[str, str], *, extra: bool) -> WordSource:
    """Read one caption or paraphrase file; mirror-only contents are derived by ``swap``.

    Raises:
        FormatError: a template uses an unknown placeholder or need, a phrase lacks a form, or a
            derived content names no existing source.
    """
    contents: Mapping[str, Mapping[str, Any]] = data.get("contents", {})
    templates = list(data.get("templates", []))
    for template in templates:
        _check_template(template)
    source = WordSource(
        phrases={},
        unsided={},
        nouns={},
        unsided_nouns={},
        styles=dict(data.get("styles", {})),
        subjects=list(data.get("neutral_subjects", [])),
        templates=templates,
        extra=extra,
    )
    for name, entry in contents.items():
        derived = bool(entry.get("derived_by_swap"))
        if derived and entry.get("source") not in contents:
            raise FormatError(
                f"Content '{name}' is derived by swap from '{entry.get('source')}', "
                "which does not exist.",
                "Name an existing content as its 'source'.",
            )
        origin = contents[entry["source"]] if derived else entry
        exchange = swap if derived else {}
        source.phrases[name] = _phrases(name, origin.get("phrases", ()), exchange)
        source.unsided[name] = _phrases(name, origin.get("unsided", ()), {})
        source.nouns[name] = [swap_words(noun, exchange) for noun in origin.get("nouns", ())]
        source.unsided_nouns[name] = list(origin.get("unsided_nouns", ()))
    return source


def _check_template(template: Template) -> None:
    if "t" not in template or "needs" not in template:
        raise FormatError(
            f"Template {dict(template)} lacks 't' or 'needs'.", "See docs/train-your-own.md."
        )
    unknown = set(SLOT.findall(template["t"])) - KNOWN_SLOTS
    if unknown:
        raise FormatError(
            f"Template '{template['t']}' uses unknown placeholders {sorted(unknown)}.",
            f"Use only {sorted(KNOWN_SLOTS)}.",
        )
    if set(template["needs"].split("+")) - NEEDS:
        raise FormatError(
            f"Template '{template['t']}' has unknown needs '{template['needs']}'.",
            f"Use one of {sorted(NEEDS)}, or several joined by '+'.",
        )


def _phrases(
    content: str, phrases: Iterable[Mapping[str, str]], swap: Mapping[str, str]
) -> list[dict[str, str]]:
    found = []
    for phrase in phrases:
        missing = [form for form in FORMS if not phrase.get(form)]
        if missing:
            raise FormatError(
                f"A phrase of content '{content}' lacks {missing}: {dict(phrase)}.",
                'Give all three, for example {"bare": "hop", "third": "hops", "ger": "hopping"}.',
            )
        found.append({form: swap_words(phrase[form], swap) for form in FORMS})
    return found


def owner_of(text: str, slots: Mapping[str, str]) -> str:
    """The possessive that fits the sentence: his, her, their or (imperative) your."""
    subject = slots.get("ssubj") if text.startswith("{ssubj}") else slots.get("subj")
    if subject is None and "{ssubj}" in text and not text.startswith("{bare}"):
        subject = slots["ssubj"]
    if subject is None:
        return "your" if re.match(r"(please )?\{(adv\} \{)?bare\}", text) else "their"
    if HIS.match(subject):
        return "his"
    return "her" if HER.match(subject) else "their"


def possessives(slots: Mapping[str, str], owner: str, *, own_limbs: bool) -> dict[str, str]:
    """Turn "their" (and with ``own_limbs`` "the right hand") into ``owner``'s."""
    filled = dict(slots)
    for form in FORMS:
        if own_limbs:
            filled[form] = SIDED_LIMB.sub(rf"{owner} \1 \2", filled[form])
    for form in (*FORMS, "clause", "adv"):
        if form in filled:
            filled[form] = re.sub(r"\btheir\b", owner, filled[form])
    return filled

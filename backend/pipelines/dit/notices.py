"""What the person who typed a prompt is told: words that are not known, and who may know them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...errors import KinetypeError
from ...store import model_folder
from ...text.prompts.action_words import HEADER
from ...text.prompts.reading import AskedAction, Reading
from ...text.prompts.traits import manners
from ...wire.control import ModelInfo
from ..family import families
from .candidates import Seen
from .vocabulary import FILE as VOCABULARY
from .vocabulary import Vocabulary

SHOWN = 80
LIKELY = 0.1
"""A motion that shows what was asked for less probably than this is doubted."""
OFFERED = 2
"""So many other models are named."""


def notices_of(
    reading: Reading, model: str, vocabulary: Vocabulary | None = None
) -> tuple[list[str], list[dict[str, Any]]]:
    """Sentences for a person, and the same for a program.

    Each notice has ``kind`` ("unknown", "near", "manner" or "spelling"), ``text``, and for words
    that are not known ``words``, ``nearest`` (labels), ``made`` (the label that is made instead, or
    "") and ``models`` (``name``, ``title`` and ``download``: whether it has to be downloaded).
    """
    notices = [_unknown(asked, model) for asked in reading.unknown]
    warnings = [str(notice["text"]) for notice in notices]
    for typed, better in reading.corrections:
        notices.append(
            {"kind": "spelling", "text": f"“{typed}” was read as “{better}”.", "words": typed}
        )
    return warnings, [*notices, *_manners(reading, model, vocabulary)]


def _manners(
    reading: Reading, model: str, vocabulary: Vocabulary | None
) -> Iterator[dict[str, object]]:
    """Manners that the model has not: the action is right, so it is no warning."""
    asked = dict.fromkeys(style for part in reading.parts for style in part.styles)
    known = tuple(asked) if vocabulary is None else vocabulary.styles
    for style in asked:
        if style in known:
            continue
        models = [
            _model(info, download=False)
            for info in _bundled()
            if info.name != model and style in _manners_of(info.path)
        ]
        text = (
            f"The model {model!r} does not know how to move in a {style} manner; it moves as usual."
        )
        if models:
            text += f" {_offer(models)}"
        yield {"kind": "manner", "text": text, "words": style, "models": models}


def doubts_of(seen: Sequence[Seen]) -> list[dict[str, str]]:
    """Notices of scenes that do not look like what was asked for.

    Args:
        seen: what the model's judge sees in each scene.
    """
    found = []
    for scene in seen:
        asked, share = scene.part.asked, scene.share
        if share is None or share >= LIKELY or asked is None or asked.status == "unknown":
            continue
        looks = max(scene.likely, key=lambda name: scene.likely[name])
        text = f"“{asked.words}” may not be what the motion shows: it looks more like"
        text += f" “{spoken(looks)}”. Try another seed."
        found.append({"kind": "doubt", "text": text, "words": asked.words, "made": looks})
    return found


def _unknown(asked: AskedAction, model: str) -> dict[str, object]:
    who = f"The model {model!r}" if model else "The model"
    words = asked.words if len(asked.words) <= SHOWN else f"{asked.words[: SHOWN - 1]}…"
    models = may_know(asked.meant, model)
    if asked.status == "near":
        text = f"{who} does not know “{words}”; it makes “{spoken(asked.label)}” instead."
    else:
        nearest = ", ".join(spoken(label) for label in asked.nearest) or "none"
        text = f"{who} does not know “{words}”; nearest things it knows: {nearest}."
    if models:
        text += f" {_offer(models)}"
    return {
        "kind": asked.status,
        "text": text,
        "words": asked.words,
        "nearest": list(asked.nearest),
        "made": asked.label,
        "models": models,
    }


def _offer(models: Sequence[dict[str, Any]]) -> str:
    here = [m["title"] for m in models if not m["download"]]
    if here:
        return f"{' or '.join(here)} knows it: choose it as the model."
    titles = " or ".join(m["title"] for m in models)
    return f"{titles} may know it: download it and choose it as the model."


def spoken(label: str) -> str:
    """A label as people read it."""
    return label.replace("_", " ")


def may_know(meant: str, own: str) -> list[dict[str, object]]:
    """Models that know an action, or may: bundled ones that list it first, then broad ones.

    Args:
        meant: the label asked for, "" when the words name none. own: the model that does not.
    """
    offered = []
    broad = []
    for family in families().values():
        for info in family.models:
            if info.name == own or "generate" not in (info.abilities or ("generate",)):
                continue
            if info.path:
                if meant and meant in _known_of(info.path):
                    offered.append(_model(info, download=False))
            elif info.hub_id:
                broad.append(info)
    if not offered:
        broad.sort(key=lambda info: info.size_bytes or 0)
        offered = [_model(info, download=True) for info in broad]
    return offered[:OFFERED]


@lru_cache(maxsize=8)
def _known_of(folder: str) -> frozenset[str]:
    """Labels that a bundled model lists; none where it has no list."""
    try:
        return frozenset(model_folder.read_json(Path(folder) / HEADER).get("known", ()))
    except KinetypeError:
        return frozenset()


def _bundled() -> Iterator[ModelInfo]:
    return (info for family in families().values() for info in family.models if info.path)


@lru_cache(maxsize=8)
def _manners_of(folder: str) -> frozenset[str]:
    """Manners of a bundled model; one without a vocabulary takes them from the sentence."""
    path = Path(folder) / VOCABULARY
    try:
        return frozenset(Vocabulary.load(path.parent).styles if path.is_file() else manners())
    except KinetypeError:
        return frozenset()


def _model(info: ModelInfo, *, download: bool) -> dict[str, object]:
    return {"name": info.name, "title": info.title, "download": download}

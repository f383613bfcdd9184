"""What the reader of a prompt told about the made motions: read from their notes, with buttons.

The notes came over a pipe and may be anyone's: what is not as expected is left out, and how many
and how long texts can be has a bound. Which models there are is asked of the panel's own list.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from . import model_list
from .backend_access import Motion
from .fixes import ONLINE, Fix

NOTES_KEY = "notices"
"""Key of ``Motion.meta`` under which the backend keeps them."""
MAX_READ = 64
"""So many notes of one motion, and models of one note, are looked at."""
MAX_SHOWN = 6
MAX_CHARS = 500
MAX_MODELS = 3
MAX_TITLE = 40
DOWNLOAD_HINT = "A model that is not here yet can be downloaded once it is chosen."
OFFLINE_HINT = f"{DOWNLOAD_HINT} That needs Blender's online access."


@dataclass(frozen=True)
class Told:
    """One sentence for a person.

    Attributes:
        text: words that are not known, what is made instead, and who may know them.
        models: names of those models, as the backend wrote them.
    """

    text: str
    models: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The text on one line, without what a font cannot draw, of a length that can be read."""
        return _plain(self.text, MAX_CHARS)


def told_of(motions: Iterable[Motion]) -> tuple[Told, ...]:
    """What is told about some motions, each text once, in order."""
    found: dict[str, Told] = {}
    for motion in motions:
        for note in _some(motion.meta.get(NOTES_KEY)):
            text = note.get("text") if isinstance(note, dict) else None
            if isinstance(text, str) and text not in found and _plain(text, MAX_CHARS):
                found[text] = Told(text, _models(note))
            if len(found) == MAX_SHOWN:
                return tuple(found.values())
    return tuple(found.values())


def help_with(told: Told, chosen: str, *, online: bool) -> tuple[str, tuple[Fix, ...]]:
    """What to know about the models of a note that are listed, and the buttons that choose them.

    Args:
        chosen: the model of the panel, which needs no button.
        online: whether the backend may download.
    """
    hint, fixes = "", []
    for name in told.models:
        info = model_list.find(name)
        if info is None or "generate" not in info.abilities:
            continue
        if info.ready:
            size = ""
        elif info.hub_id:
            hint = DOWNLOAD_HINT if online else OFFLINE_HINT
            size = f" ({info.size_bytes / 1e9:.1f} GB)" if info.size_bytes > 0 else ""
            if not online:
                continue
        else:  # broken, which no button here mends
            continue
        if name != chosen:
            text = f"Use {_plain(info.title or name, MAX_TITLE)}{size}"
            icon = "CHECKMARK" if info.ready else "IMPORT"
            fixes.append(Fix("kinetype.use_model", text, icon, (("model", name),)))
    if hint == OFFLINE_HINT:
        fixes.append(ONLINE)
    return hint, tuple(fixes)


def _models(note: dict[str, Any]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for model in _some(note.get("models")):
        name = model.get("name") if isinstance(model, dict) else None
        if isinstance(name, str) and name:
            found[name] = None
    return tuple(found)[:MAX_MODELS]


def _some(values: object) -> list[Any]:
    """The first of a list; nothing of what is none."""
    return values[:MAX_READ] if isinstance(values, list) else []


def _plain(text: str, most: int) -> str:
    # half of a surrogate pair cannot be handed to a label: the whole panel would stay empty
    clean = "".join(c if c.isprintable() else " " for c in text[: 2 * most])
    line = " ".join(clean.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"

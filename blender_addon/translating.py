"""The add-on in Blender's languages: ``languages/<locale>.json`` holds English -> the language.

Blender shows a text in the language of its preferences where it finds the English one here, so
panels and operators are written in English only. ``scripts/translations.py`` lists what they say.
"""

from __future__ import annotations

import json
from pathlib import Path

import bpy

FOLDER = Path(__file__).with_name("languages")
OLD_NAMES = {"zh_HANS": "zh_CN"}
"""What Blender before 4.0 called some of them, which costs nothing to name too."""
_CONTEXTS = ("*", "Operator")
_OWNER = __package__ or "kinetype"


def languages() -> dict[str, dict[str, str]]:
    """English to each language, by its locale."""
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(FOLDER.glob("*.json"))
    }


def said(text: str, **values: object) -> str:
    """A text in the person's language, with values put in where it has ``{names}``."""
    return bpy.app.translations.pgettext_iface(text).format(**values)


def attach() -> None:
    """Tell Blender the texts."""
    known = {}
    for locale, texts in languages().items():
        table = {(context, text): own for text, own in texts.items() for context in _CONTEXTS}
        known[locale] = table
        if locale in OLD_NAMES:
            known[OLD_NAMES[locale]] = table
    bpy.app.translations.register(_OWNER, known)


def detach() -> None:
    """Take them back."""
    bpy.app.translations.unregister(_OWNER)

"""Everything that the add-on says is said in every language that it has."""

from __future__ import annotations

import re

import pytest

from scripts import translations

SAID = translations.texts()


def test_the_texts_of_the_add_on_are_found() -> None:
    assert len(SAID) > 300
    for text in ("Generate", "Use This Pose", "The motion model that answers the prompt"):
        assert text in SAID
    source = 'class A(Operator):\n    """Tip."""\n    bl_idname = "a.b"\n    bl_label = "Do It"\n'
    source += 'KINDS = (("A", "One", "The first"), ("B", "Two", ""))\nlayout.label(text="Now")\n'
    source += 'said("{n} more", n=3)\n'
    found = set(translations.texts_of(source))
    assert {"Tip.", "Do It", "One", "The first", "Two", "Now", "{n} more"} <= found


@pytest.mark.parametrize("locale", translations.LOCALES)
def test_every_text_is_there_in_every_language(locale: str) -> None:
    table = translations.table(locale)
    assert not [text for text in SAID if not table.get(text, "").strip()]
    assert not sorted(set(table) - set(SAID)), "run scripts/translations.py --tidy"
    for text, own in table.items():
        assert sorted(re.findall(r"\{\w*\}", own)) == sorted(re.findall(r"\{\w*\}", text)), text
    same = [t for t, own in table.items() if own == t and len(t.split()) > 3]
    assert not same, "sentences that stayed English"


def test_blender_is_told_and_untold() -> None:
    from blender_addon import translating

    tables = translating.languages()
    assert sorted(tables) == sorted(translations.LOCALES)
    translating.attach()
    translating.detach()
    assert translating.said("{n} of {m}", n=1, m=2) == "1 of 2"

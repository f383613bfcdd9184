"""Words that no caption holds."""

from __future__ import annotations

import pytest

from backend.pipelines.dit.prompt_words import known_stems, stem, unknown_share


def test_forms_of_a_word_share_a_stem() -> None:
    assert stem("walks") == stem("Walking") == stem("walked") == stem("walk")
    assert stem("raise") == stem("raises") == stem("raising")
    assert stem("is") == "is"


def test_rare_words_do_not_count_as_known() -> None:
    stems = known_stems(["a man walks", "someone is walking", "walk", "a man bows", "man"])
    assert stems == {"walk", "man"}


def test_share_of_unknown_words() -> None:
    stems = known_stems(["a man walks"] * 3)
    assert unknown_share("the man walked", stems) == 0.0
    assert unknown_share("a man rides a horse", stems) == pytest.approx(2 / 3)
    assert unknown_share("of the", stems) == 0.0

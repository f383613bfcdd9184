"""The free wordings are what the model card says they are."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from scripts.starter.labels import RARE_GROUPS, accepted, phrase_owners
from scripts.starter.prompts import grammar_overlap, load_free, normalise

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def captions() -> dict[str, Any]:
    folder = os.environ.get("KINETYPE_STARTER_DATA", str(ROOT.parent / "shared/data/starter"))
    path = Path(folder) / "captions.json"
    if not path.exists():
        pytest.skip("the caption grammar is not on this machine")
    return json.loads(path.read_text(encoding="utf-8"))


def test_there_are_sixty_different_prompts_with_answers_and_durations() -> None:
    prompts = load_free()["prompts"]
    assert len(prompts) == 60
    assert len({normalise(p["prompt"]) for p in prompts}) == 60
    assert all(p["contents"] and 2 <= p["seconds"] <= 9.8 for p in prompts)
    covered = {c for p in prompts for c in p["contents"]}
    assert covered >= {c for group in RARE_GROUPS.values() for c in group}


def test_no_free_prompt_holds_a_phrase_of_the_grammar(captions: dict[str, Any]) -> None:
    prompts = [p["prompt"] for p in load_free()["prompts"]]
    assert grammar_overlap(prompts, captions) == {}
    assert not {normalise(p) for p in prompts} & {normalise(p) for p in phrase_owners(captions)}
    # the check itself sees a phrase
    assert grammar_overlap(["Look, he walks straight ahead!"], captions)


def test_every_answer_is_a_content_and_every_content_is_asked_for(captions: dict[str, Any]) -> None:
    covered = {c for p in load_free()["prompts"] for c in p["contents"]}
    assert covered == set(captions["contents"])


def test_a_prompt_without_a_side_accepts_both(captions: dict[str, Any]) -> None:
    assert accepted("someone kicks.", "kick-left", captions) == {"kick-left", "kick-right"}
    one = accepted("a person kicks with the right foot.", "kick-right", captions)
    assert one == {"kick-right"}

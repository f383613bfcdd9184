from __future__ import annotations

import json
from pathlib import Path

import pytest

from backend.pipelines.editing.prompt_parts import split_prompt, subject_of

CAPTIONS = Path(__file__).resolve().parents[2] / "data/starter/captions.json"


@pytest.mark.parametrize(
    "prompt",
    [
        "a person walks forward",
        "A man walks and waves.",
        "someone authenticates",
        "Mr. Smith walks",
        "then a man bows",
        "a man walks forward, then turns left",
        "walk and then turn to the right",
        "walking along, then hanging a left",
        "she strolls up to the corner, then takes a left",
        "a man calls out, then listens",
        "a character yells, then puts a hand behind the ear",
        "throwing the arms back to shout, then cupping the left ear",
        "the person walks ahead, then changes direction to the right at a medium pace",
        "walk forward and then turn in a tired manner",
        "an old lady brings both hands up and then back down",
        "please raise the left hand and then put it down",
    ],
)
def test_one_action_stays_as_it_is(prompt: str) -> None:
    assert split_prompt(prompt) == [prompt]


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("an old man walks slowly, then bows", ["an old man walks slowly", "an old man bows"]),
        ("someone kicks then punches", ["someone kicks", "someone punches"]),
        ("walk forward and then kick", ["walk forward", "kick"]),
        ("a man runs; bows; a girl dances", ["a man runs", "a man bows", "a girl dances"]),
        ("A man walks. Then he bows.", ["A man walks", "A man bows"]),
        ("First, a boy runs, and then finally stops", ["a boy runs", "a boy stops"]),
        ("a person walks sadly, then bows", ["a person walks sadly", "a person bows sadly"]),
        (
            "a person walks sadly, then bows happily",
            ["a person walks sadly", "a person bows happily"],
        ),
        ("a girl happily walks then spins", ["a girl happily walks", "a girl happily spins"]),
        (
            "a man walks like a robot, then waves",
            ["a man walks like a robot", "a man waves like a robot"],
        ),
        (
            "a person walks then turns left and then bows",
            ["a person walks then turns left", "a person bows"],
        ),
        ("a boy dances, then turns left", ["a boy dances", "a boy turns left"]),
        ("a boy runs, then turns and kicks", ["a boy runs", "a boy turns and kicks"]),
        ("a man shouts, then kicks", ["a man shouts", "a man kicks"]),
        ("a man raises a hand, then bows", ["a man raises a hand", "a man bows"]),
        ("a man walks, then listens", ["a man walks", "a man listens"]),
        (
            "a woman who is tired walks, then she waves",
            ["a woman who is tired walks", "a woman who is tired waves"],
        ),
    ],
)
def test_sequences_inherit_what_is_missing(prompt: str, parts: list[str]) -> None:
    assert split_prompt(prompt) == parts


@pytest.mark.parametrize(
    ("part", "subject"),
    [
        ("an old man walks slowly", "an old man"),
        ("someone kicks", "someone"),
        ("the authenticator walks", "the authenticator"),
        ("walk forward", ""),
        ("a happy child is running", "a happy child"),
        ("a bow", ""),
    ],
)
def test_subjects(part: str, subject: str) -> None:
    assert subject_of(part) == subject


def test_captions_of_one_training_clip_stay_whole() -> None:
    if not CAPTIONS.is_file():
        pytest.skip("needs the starter dataset")
    clips = json.loads(CAPTIONS.read_text(encoding="utf-8"))
    captions = {caption for clip in clips for caption in clip}
    cut = [caption for caption in captions if len(split_prompt(caption)) > 1]
    assert len(captions) > 1000
    assert len(cut) <= 0.001 * len(captions), cut[:10]


@pytest.mark.parametrize("prompt", [";", "then", ". . .", "x" * 500, "then then then;;"])
def test_odd_prompts_do_not_break(prompt: str) -> None:
    assert split_prompt(prompt)

"""Prompts cut into clauses in the order of time, without any model."""

from __future__ import annotations

import random

import pytest

from backend.text.prompts.clauses import clauses
from backend.text.prompts.cores import core_of
from backend.text.prompts.lexicon import word_set


def told(prompt: str) -> list[str]:
    return [f"{'& ' if c.link == 'with' else ''}{c.text}" for c in clauses(prompt)]


@pytest.mark.parametrize(
    "prompt",
    [
        "crawls on hands and knees",
        "bends down and picks something up",
        "a person bends over, grabs something and stands up again",
        "run up and kick a ball",
        "turn left and right",
        "walks and turns left",
        "raise your left arm, then lower it",
        "jump and turn in the air",
        "a man dances with turns and jumps",
        "dances the salsa, stepping back and forth",
        "moves forward bent over, trying not to be seen",
        "someone runs after a friend",
        "bow before the king",
    ],
)
def test_one_action_is_one_clause(prompt: str) -> None:
    assert told(prompt) == [prompt]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("walks and waves", ["walks", "& waves"]),
        ("walk while clapping", ["walk", "& clapping"]),
        ("while walking, she waves", ["walking", "& she waves"]),
        ("sit down, wait, then stand up", ["sit down", "wait", "stand up"]),
        ("a person jumps, claps and bows", ["a person jumps", "claps", "bows"]),
        ("stands up before walking away", ["stands up", "walking away"]),
        ("before sitting down she waves", ["she waves", "sitting down"]),
        ("waves after standing up", ["standing up", "waves"]),
        ("once he has bowed, he walks backward", ["he has bowed", "he walks backward"]),
        ("finally he kicks, but first he punches", ["he punches", "he kicks"]),
        ("a bow followed by a wave", ["a bow", "a wave"]),
        ("jump. squat. jump.", ["jump", "squat", "jump"]),
        (
            "shadow boxing, roundhouse kick and a backflip",
            ["shadow boxing", "roundhouse kick", "a backflip"],
        ),
        ("waves the right, then the left hand", ["waves the right", "waves the left hand"]),
        ("walk forward, then backward", ["walk forward", "walk backward"]),
        ("a person walks forward and golf swings", ["a person walks forward", "golf swings"]),
        ("walks, frobnicates and bows", ["walks", "frobnicates", "bows"]),
    ],
)
def test_several_actions_are_told_in_the_order_of_time(prompt: str, expected: list[str]) -> None:
    assert told(prompt) == expected


@pytest.mark.parametrize(
    ("prompt", "done", "denied"),
    [
        ("does not walk but runs", "runs", ["walk"]),
        ("walk, don't run", "walk", ["run"]),
        ("instead of walking he crawls", "he crawls", ["walking"]),
        ("neither walks nor runs, but jumps", "jumps", ["walks", "runs"]),
        ("no waving, just bow", "just bow", ["waving"]),
        ("nobody runs, everyone walks", "everyone walks", ["runs"]),
        ("walks without swinging the arms", "walks", ["swinging the arms"]),
    ],
)
def test_what_is_denied_is_not_done(prompt: str, done: str, denied: list[str]) -> None:
    (clause,) = clauses(prompt)
    assert clause.text == done
    assert [" ".join(words) for words in clause.denied] == denied


@pytest.mark.parametrize(
    "prompt", [";", "then", "not", "before after while", ", , ,", "and and and"]
)
def test_odd_prompts_stay_prompts(prompt: str) -> None:
    assert len(clauses(prompt)) >= 1


def test_any_order_of_words_can_be_read() -> None:
    words = list(
        word_set(
            """walks and waves , then not before a person after without twice slowly the left hand
            while instead of first finally is 3 steps no nobody . jump as once when box doesn't ;
            back someone but neither nor don't in circles on spot who"""
        )
    )
    words.sort()
    rng = random.Random(0)
    for _ in range(3000):
        prompt = " ".join(rng.choices(words, k=rng.randint(1, 9)))
        found = clauses(prompt)
        assert found and found[0].link == "then", prompt
        for clause in found:
            core_of(clause.text)

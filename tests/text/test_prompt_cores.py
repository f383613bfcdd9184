"""Cores, amounts, limbs, manners and spelling of clauses, without any model."""

from __future__ import annotations

import math

import pytest

from backend.text.prompts.amounts import amounts_of, reworded, without_pace
from backend.text.prompts.cores import core_of
from backend.text.prompts.lexicon import ing, past, third
from backend.text.prompts.limbs import sides_of, still_limbs, without_still
from backend.text.prompts.spelling import Speller, distance
from backend.text.prompts.traits import styles_of, traits


@pytest.mark.parametrize(
    "prompt",
    [
        "playing the violin",
        "play the violin",
        "a person plays the violin",
        "a person is playing the violin",
        "an old man is slowly playing the violin",
        "a soldier playing the violin with the right hand",
        "she starts to play the violin",
        "please play the violin",
        "show me a man playing the violin",
        "a tired woman then plays the violin happily",
    ],
)
def test_every_sentence_form_has_the_same_core(prompt: str) -> None:
    assert core_of(prompt).text == "play the violin"


@pytest.mark.parametrize(
    ("prompt", "core"),
    [
        ("he does a backflip", "backflip"),
        ("a soldier pole dancing with the right hand", "pole dancing"),
        ("an umpire giving signals", "umpire give signals"),
        ("the undead shambling forward", "undead shamble forward"),
        ("kicks twice with the left leg", "kick"),
        ("up the rungs he goes", "go up the rungs"),
        ("lowers herself onto a bench", "lower yourself onto a bench"),
    ],
)
def test_cores(prompt: str, core: str) -> None:
    assert core_of(prompt).text == core


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("takes exactly four steps forward", "steps", 4),
        ("half a dozen steps backwards", "steps", 6),
        ("bows three times", "count", 3),
        ("waves twice", "count", 2),
        ("punch 6x", "count", 6),
        ("ten jumping jacks", "count", 10),
        ("double kick", "count", 2),
        ("one-legged squat", "count", None),
        ("on all fours across", "seconds", None),
        ("walks for three seconds", "seconds", 3.0),
        ("walk three metres", "metres", 3.0),
        ("walks ten feet ahead", "metres", 3.048),
        ("jump with two feet", "metres", None),
        ("walk very slowly", "speed", 0.6),
        ("walk slowly", "speed", 0.7),
        ("a brisk walk", "speed", 1.25),
        ("walks very fast", "speed", 1.5),
        ("walk twice as fast", "speed", 2.0),
        ("a big wave", "size", 1.3),
        ("a tiny bow", "size", 0.6),
        ("a big man", "size", 1.0),
        ("walk in a circle", "turn", 2 * math.pi),
        ("run round in circles to the right", "turn", -2 * math.pi),
        ("make a u-turn", "turn", math.pi),
        ("march on the spot", "spot", True),
    ],
)
def test_amounts(text: str, field: str, value: object) -> None:
    found = getattr(amounts_of(text)[1], field)
    assert found == (pytest.approx(value) if isinstance(value, float) else value)


def test_what_slows_is_no_denial() -> None:
    assert reworded("don't walk so fast") == "walk unhurriedly"
    assert reworded("Wave at ME") == "Wave at ME"
    assert without_pace("an old man walks very slowly") == "an old man walks"
    assert without_pace("An Old man walks") == "An Old man walks"


@pytest.mark.parametrize(
    ("text", "sides"),
    [
        ("he left the room", (False, False)),
        ("all right, jump right now", (False, False)),
        ("throws the ball right-handed", (False, True)),
        ("turns left", (True, False)),
    ],
)
def test_sides(text: str, sides: tuple[bool, bool]) -> None:
    assert sides_of(text) == sides


def test_limbs_that_are_to_be_still() -> None:
    assert still_limbs("walks", ["swinging the arms"]) == ("arms",)
    assert still_limbs("walks", ["moving his left arm"]) == ("left_arm",)
    assert still_limbs("walks with arms hanging still", []) == ("arms",)
    assert still_limbs("dances", ["moving the feet"]) == ("legs",)
    assert still_limbs("waves the right arm", []) == ()
    assert without_still("walks, keeping both arms still") == "walks"


def test_manners() -> None:
    assert styles_of("an old man walks sadly") == {"elderly": 0.5, "sad": 0.5}
    assert styles_of("an old habit") == {}
    assert traits().overlay("walk", "wave") == ("arms",)
    assert traits().overlay("walk", "jump") == ()
    assert traits().overlay("jump", "wave") == ()


WORDS = {"person": 9, "walk": 9, "walks": 9, "high": 5, "hands": 4, "kicking": 3, "the": 9}


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("a persn walsk", "a person walks"),
        ("hihg", "high"),
        ("kiking", "kicking"),
        ("skatng", "skating"),  # the lexicon's verbs are known too
        ("quokka", "quokka"),
        ("the hnd", "the hnd"),  # three letters may be anything
    ],
)
def test_spelling(typed: str, read: str) -> None:
    speller = Speller(WORDS, lambda word: word == "state")
    assert speller.correct(typed)[0] == read


def test_english_words_are_left_alone() -> None:
    speller = Speller(WORDS, lambda word: word == "perron")
    assert speller.correct("perron") == ("perron", ())
    assert distance("perron", "person", 2) == 1


@pytest.mark.parametrize(
    ("verb", "forms"),
    [
        ("walk", ("walks", "walking", "walked")),
        ("wave", ("waves", "waving", "waved")),
        ("sit", ("sits", "sitting", "sitted")),
        ("squat", ("squats", "squatting", "squatted")),
        ("lie", ("lies", "lying", "lied")),
        ("carry", ("carries", "carrying", "carried")),
        ("punch", ("punches", "punching", "punched")),
    ],
)
def test_forms(verb: str, forms: tuple[str, str, str]) -> None:
    assert (third(verb), ing(verb), past(verb)) == forms

"""Action words: what a text names, and what only looks like it."""

import pytest

from backend.text.actions import ACTION_WORDS, named_actions


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A figure raises the left arm and waves.", {"wave", "raise"}),
        ("both HANDS UP", {"raise"}),
        ("waving goodbye", {"wave", "farewell"}),
        ("byebye", {"farewell"}),
        ("she jogs, then sprints", {"run", "sprint"}),
        ("walks around the corner", {"walk", "turn"}),
        ("two steps backward", {"walk", "back"}),
        ("a sidestep to the left", {"sideways"}),
        ("greet a friend", set()),
        ("a tight rope, elbow first", set()),
        ("", set()),
    ],
)
def test_names_the_words_of_a_text(text: str, words: set[str]) -> None:
    flags = named_actions([text])[0].tolist()
    assert {word for word, flag in zip(ACTION_WORDS, flags, strict=True) if flag} == words


def test_one_row_for_each_text() -> None:
    assert named_actions([]).shape == (0, len(ACTION_WORDS))
    assert named_actions(["wave", "bow", "run"]).sum() == 3

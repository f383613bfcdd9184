from __future__ import annotations

import pytest

from backend.text.sides import named_sides


@pytest.mark.parametrize(
    ("text", "left", "right"),
    [
        ("a person turns left", 1, 0),
        ("Raise the RIGHT hand", 0, 1),
        ("leftward steps", 1, 0),
        ("a right-handed punch", 0, 1),
        ("from the left to the right", 1, 1),
        ("walks right away", 0, 0),
        ("all right, he sits upright", 0, 0),
        ("eats leftovers", 0, 0),
        ("someone waves", 0, 0),
    ],
)
def test_sides_are_found_as_words(text: str, left: int, right: int) -> None:
    assert named_sides([text]).tolist() == [[left, right]]


def test_no_texts_give_an_empty_table() -> None:
    assert named_sides([]).shape == (0, 2)

"""MultiModality: what is drawn, what it measures, sizes that make no sense."""

from __future__ import annotations

import numpy as np
import pytest

from backend.errors import FormatError, InvalidRequest
from backend.evaluation.multimodality import Draw, Sizes


def test_captions_are_different_and_follow_the_seed() -> None:
    texts = [f"caption {i % 40}" for i in range(60)]
    chosen = Draw(Sizes(captions=12), 3).captions(texts)
    assert chosen == sorted(chosen) and max(chosen) < 40
    assert len({texts[i] for i in chosen}) == len(chosen) == 12
    assert Draw(Sizes(captions=12), 3).captions(texts) == chosen
    assert Draw(Sizes(captions=12), 4).captions(texts) != chosen
    assert Draw(Sizes(), 0).captions(texts) == list(range(40))


def test_pairs_are_drawn_anew_in_each_repeat_and_shared_by_captions() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(5, 30, 8))
    found = Draw(Sizes(captions=5), 7)
    found.captions("abcde")
    value = found.value(x, 4)

    again = np.random.default_rng(7)
    again.choice(5, 5, replace=False)
    each = []
    for _ in range(4):
        first, second = (again.choice(30, 10, replace=False) for _ in range(2))
        each.append(np.mean([np.linalg.norm(c[first] - c[second], axis=1) for c in x]))
    assert value.mean == pytest.approx(np.mean(each))
    assert value.high - value.mean == pytest.approx(1.96 * np.std(each) / 2)
    assert len(set(each)) == 4


def test_it_measures_differences_within_a_caption_only() -> None:
    places = 100.0 * np.arange(6)[:, None, None] * np.ones((6, 12, 3))
    sizes = Sizes(captions=6, samples=12, pairs=12)
    assert Draw(sizes, 0).value(places, 3).mean == 0.0
    wide = np.random.default_rng(0).normal(size=(6, 12, 3))
    narrow, broad = (Draw(sizes, 0).value(places + s * wide, 3).mean for s in (0.5, 2.0))
    assert broad == pytest.approx(4.0 * narrow)


@pytest.mark.parametrize(
    ("sizes", "text"),
    [
        ({"captions": 0}, "captions"),
        ({"samples": 1, "pairs": 1}, "nothing to compare"),
        ({"samples": 9}, "10 pairs cannot be drawn from 9"),
        ({"pairs": 0}, "pairs"),
    ],
)
def test_sizes_that_make_no_sense(sizes: dict[str, int], text: str) -> None:
    with pytest.raises(InvalidRequest, match=text):
        Sizes(**sizes)


def test_published_sizes_are_the_defaults() -> None:
    assert Sizes() == Sizes(captions=100, samples=30, pairs=10)


def test_embeddings_must_fit() -> None:
    with pytest.raises(FormatError, match="samples >= 10"):
        Draw(Sizes(), 0).value(np.zeros((3, 5, 2)), 1)

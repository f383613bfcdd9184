"""The bounds of a request are said exactly."""

from __future__ import annotations

import pytest

from backend.errors import InvalidRequest
from backend.wire import limits
from backend.wire.messages import Request


def test_every_sample_of_a_request_can_be_made_again_alone() -> None:
    Request("a person walks", seed=limits.MAX_SEED, samples=1).validated()
    Request("a person walks", seed=limits.MAX_SEED - 2, samples=3).validated()
    with pytest.raises(InvalidRequest, match="seed of the last sample is 2147483648"):
        Request("a person walks", seed=limits.MAX_SEED, samples=2).validated()


def test_a_seed_out_of_bounds_is_told_the_exact_bound() -> None:
    with pytest.raises(InvalidRequest, match=r"seed is 2147483648\.") as caught:
        Request("a person walks", seed=limits.MAX_SEED + 1).validated()
    assert str(limits.MAX_SEED) in caught.value.hint


@pytest.mark.parametrize("seed", [1.5, "3", True, None])
def test_a_seed_is_a_whole_number(seed: object) -> None:
    with pytest.raises(InvalidRequest, match="seed must be a whole number"):
        Request("a person walks", seed=seed).validated()  # type: ignore[arg-type]


def test_a_prompt_with_half_characters_is_refused() -> None:
    broken = b"a person \xff walks".decode(errors="surrogateescape")
    with pytest.raises(InvalidRequest, match="characters that cannot be read") as caught:
        Request(broken).validated()
    caught.value.message.encode()


@pytest.mark.parametrize("prompt", ["...", "\u200b", "\ufeff", "?!", "\U0001f6b6"])
def test_a_prompt_has_words(prompt: str) -> None:
    with pytest.raises(InvalidRequest, match="no words"):
        Request(prompt).validated()


@pytest.mark.parametrize("prompt", ["歩く", "человек идёт", "يمشي", "2 steps"])
def test_words_of_any_script_are_words(prompt: str) -> None:
    assert Request(f" {prompt} ").validated().prompt == prompt

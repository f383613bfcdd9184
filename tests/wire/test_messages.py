"""The bounds of a request are said exactly."""

from __future__ import annotations

import numpy as np
import pytest

from backend.errors import InvalidRequest
from backend.wire import limits
from backend.wire.directing import Segment
from backend.wire.messages import Edit, Motion, Request


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


@pytest.mark.parametrize("field", ["seed", "samples", "steps", "seconds", "guidance_scale"])
@pytest.mark.parametrize(
    "value", [10**400, -(10**400), 10**5000], ids=["large", "negative", "huge"]
)
def test_numbers_that_no_float_can_hold_are_out_of_range(field: str, value: int) -> None:
    with pytest.raises(InvalidRequest, match=r"far out of range") as caught:
        Request("a person walks", **{field: value}).validated()
    assert "Choose a value from" in caught.value.hint


@pytest.mark.parametrize("field", ["cleanup", "keep_best", "estimate_length"])
@pytest.mark.parametrize("value", ["no", 0, 1, None, []])
def test_a_switch_is_true_or_false(field: str, value: object) -> None:
    with pytest.raises(InvalidRequest, match=f"{field} must be true or false"):
        Request("a person walks", **{field: value}).validated()  # type: ignore[arg-type]


def test_what_is_quoted_of_a_wrong_value_is_short() -> None:
    for field, value in (("sampler", "x" * 10_000), ("seed", "9" * 10_000), ("steps", [1] * 9999)):
        with pytest.raises(InvalidRequest) as caught:
            Request("a person walks", **{field: value}).validated()  # type: ignore[arg-type]
        assert len(caught.value.message) < 200


def test_the_name_of_a_model_has_a_limit() -> None:
    Request("a person walks", model="m" * limits.MAX_MODEL_CHARS).validated()
    with pytest.raises(InvalidRequest, match="limit is 4096"):
        Request("a person walks", model="m" * (limits.MAX_MODEL_CHARS + 1)).validated()


def clip(frames: int = 60, fps: float = 30.0) -> Motion:
    return Motion(np.zeros((frames, 135)), fps)


def test_an_edit_needs_no_prompt_but_a_generation_does() -> None:
    Request("", edit=Edit(clip(), (10, 20))).validated()
    with pytest.raises(InvalidRequest, match="no words"):
        Request("...", edit=Edit(clip(), (10, 20))).validated()
    with pytest.raises(InvalidRequest, match="prompt is empty"):
        Request("").validated()


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (Edit(clip()), "keep something"),
        (Edit(clip(), (10, 61)), "do not lie in the motion of 60 frames"),
        (Edit(clip(), (-1, 5)), "do not lie"),
        (Edit(clip(), (20, 20)), "do not lie"),
        (Edit(clip(61 * 30), (0, 5)), r"length of the motion is 61 seconds"),
        (Edit(clip(60, float("nan")), (0, 5)), "frame rate of the motion must be a number"),
        (Edit(Motion(np.full((9, 135), np.inf)), (0, 5)), "not finite"),
        (Edit(clip(), (10, 20), more=30), "not both"),
        (Edit(clip(), more=-1), "number of frames to add is -1"),
        (Edit(clip(), more=59 * 30), "length of the motion is 61 seconds"),
    ],
)
def test_an_edit_is_checked(edit: Edit, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        Request("wave", edit=edit).validated()


@pytest.mark.parametrize(
    "constraints", [[], ("walk",), ({"frame_indices": [0]},), ({"type": "x"},) * 257]
)
def test_what_is_no_constraint_is_refused(constraints: tuple[dict[str, object], ...]) -> None:
    with pytest.raises(InvalidRequest, match="onstraint"):
        Request("walk", constraints=constraints).validated()


def test_prompts_in_time_say_prompt_and_length() -> None:
    parts = (Segment(" a person walks ", 0.0, 2.0), Segment("bows", 2.5, 1.5))
    request = Request("", seconds=9.0, segments=parts).validated()
    assert request.prompt == "a person walks, then bows" and request.seconds == 4.0
    assert Request("told", segments=parts).validated().prompt == "told"


@pytest.mark.parametrize(
    ("segments", "said"),
    [
        ((Segment("walks", 1.0, 2.0),), "starts at 1 s"),
        ((Segment("walks", 0.0, 2.0), Segment("bows", 1.5, 2.0)), "before the one before it ends"),
        ((Segment("walks", 0.0, 0.2),), "0.2 seconds"),
        ((Segment("...", 0.0, 2.0),), "no words"),
        ((Segment("walks", 0.0, float("nan")),), "length of prompt 1"),
        ((Segment("walks", 0.0, 60.0), Segment("bows", 60.0, 2.0)), "62 seconds"),
        (("walks",), "no prompt with its time"),
    ],
)
def test_prompts_in_time_that_do_not_fit_are_refused(segments: tuple, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        Request("", segments=segments).validated()


def test_prompts_in_time_edit_nothing() -> None:
    edit = Edit(Motion(np.zeros((30, 135))), (0, 10))
    with pytest.raises(InvalidRequest, match="new motion"):
        Request("", segments=(Segment("walks", 0.0, 2.0),), edit=edit).validated()

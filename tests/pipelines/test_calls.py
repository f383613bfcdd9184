from __future__ import annotations

import pytest
import torch

from backend.errors import InvalidRequest
from backend.pipelines import calls
from backend.wire import limits
from backend.wire.messages import Progress, Request


def test_one_text_is_no_list_of_captions() -> None:
    with pytest.raises(InvalidRequest, match="captions are one text"):
        calls.check_one_each("walk", [1, 2, 3, 4])
    calls.check_one_each(["walk", "run"], None)
    calls.check_one_each(["walk"], [40])
    with pytest.raises(InvalidRequest, match="1 actions but 2 lengths"):
        calls.check_one_each(["walk"], [40, 40], "actions")


@pytest.mark.parametrize(("frames", "fits"), [(19, False), (20, True), (60, True), (61, False)])
def test_lengths_out_of_range_name_the_range(frames: int, fits: bool) -> None:
    if fits:
        calls.check_frames(frames, 20, 60, fps=20.0, model="tiny")
        return
    with pytest.raises(InvalidRequest) as caught:
        calls.check_frames(frames, 20, 60, fps=20.0, model="tiny")
    assert "'tiny'" in caught.value.message and "1 to 3 seconds" in caught.value.hint


def test_captions_are_texts() -> None:
    calls.check_texts(["walk", ""])
    with pytest.raises(InvalidRequest, match="Caption 1 is int"):
        calls.check_texts(["walk", 3])


@pytest.mark.parametrize("scale", ["2.5", None])
def test_a_guidance_that_is_no_number(scale: object) -> None:
    with pytest.raises(InvalidRequest, match="no number"):
        calls.checked_guidance(scale)  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", [float("nan"), float("inf"), -1.0, limits.MAX_GUIDANCE + 1])
def test_guidance_out_of_range_names_the_range(scale: float) -> None:
    with pytest.raises(InvalidRequest, match="guidance") as caught:
        calls.checked_guidance(scale)
    assert f"{limits.MAX_GUIDANCE:g}" in caught.value.hint
    assert calls.checked_guidance(1) == 1.0


def test_a_seed_is_kept_or_drawn() -> None:
    assert calls.drawn_seed(0) == 0
    drawn = {calls.drawn_seed(None) for _ in range(20)}
    assert len(drawn) > 1 and all(0 <= seed < limits.MAX_SEED for seed in drawn)


@pytest.mark.parametrize("seed", [-1, 10**30, 1.0, "1", True])
def test_a_seed_that_is_none(seed: object) -> None:
    with pytest.raises(InvalidRequest, match="The seed is") as caught:
        calls.drawn_seed(seed)  # type: ignore[arg-type]
    assert str(limits.MAX_SEED) in caught.value.hint


def test_a_device_that_is_not_there() -> None:
    assert calls.device_or_best("cpu") == torch.device("cpu")
    assert calls.device_or_best(torch.device("cpu")) == torch.device("cpu")
    for device in ("tpu", "cuda:99", "hpu"):
        with pytest.raises(InvalidRequest, match="not available here"):
            calls.device_or_best(device)


def test_chunks_hold_every_row_once_beside_its_like() -> None:
    lengths = [196, 40, 120, 44, 192]
    chunks = calls.chunks_of_like_length(lengths, 2)
    assert [[lengths[i] for i in chunk] for chunk in chunks] == [[40, 44], [120, 192], [196]]


def test_progress_of_parts_is_progress_of_the_whole() -> None:
    seen: list[tuple[int, int]] = []
    for index in range(2):
        step = calls.part_of(lambda done, total: seen.append((done, total)), index, 2)
        assert step is not None
        step(1, 2)
        step(2, 2)
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert calls.part_of(None, 0, 2) is None


def test_stages_carry_the_id_of_the_request() -> None:
    request, seen = Request("walk", id="r1"), list[Progress]()
    tell = calls.Stages(request, seen.append)
    tell("reading the prompt")
    tell.steps()(3, 10)
    expected = [Progress("r1", "reading the prompt"), Progress("r1", "sampling", 3, 10)]
    assert seen == expected
    calls.Stages(request, None).steps()(1, 2)  # nobody listens


def test_a_frozen_network_neither_trains_nor_drops_out() -> None:
    net = calls.frozen(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout()),
                       calls.device_or_best("cpu"))  # fmt: skip
    assert not net.training and not any(p.requires_grad for p in net.parameters())


def test_meta_tells_what_was_asked_and_what_else_is_known() -> None:
    meta = calls.meta_of(Request("walk", model="m"), 7, {"steps": 4}, warnings=("w",), action="a")
    assert meta == {
        "prompt": "walk",
        "seed": 7,
        "params": {"steps": 4},
        "action": "a",
        "warnings": ["w"],
    }


def test_precisions_by_name_and_by_type() -> None:
    assert calls.precision_of("float32") is torch.float32
    assert calls.precision_of("bfloat16") is torch.bfloat16
    with pytest.raises(InvalidRequest, match="float8"):
        calls.precision_of("float8")
    assert [calls.precision_name(p) for p in ("fp32", "bf16")] == ["float32", "bfloat16"]
    assert calls.precision_name("float16") == "float16"
    with pytest.raises(InvalidRequest, match="float8"):
        calls.precision_name("float8")

"""Every message survives the wire; malformed ones are refused by name."""

from __future__ import annotations

import dataclasses
import io
import json
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest

from backend.errors import FormatError, InvalidRequest, KinetypeError
from backend.wire import codec, framing, limits
from backend.wire.control import (
    Cancel,
    Hello,
    ListModels,
    Log,
    ModelInfo,
    Models,
    Ping,
    Pong,
    Ready,
    Shutdown,
    Silence,
)
from backend.wire.directing import Segment
from backend.wire.messages import (
    Describe,
    Edit,
    Failure,
    Features,
    Motion,
    Progress,
    Request,
    Result,
    Sample,
)
from backend.wire.skeleton import MOTION_FPS
from backend.wire.tasks import ModelTask, TaskDone


def motion(frames: int, seed: int = 0, **meta: Any) -> Motion:
    data = np.random.default_rng(seed).normal(size=(frames, 135)).astype(np.float32)
    return Motion(data, meta=meta)


MESSAGES: list[codec.Message] = [
    Request("ein Mann tanzt 💃", 2.5, 7, 3, "starter", 2.5, 20, "ddim", False),
    Request("defaults"),
    Request("told", constraints=({"type": "root2d", "frame_indices": [0, 3]},)),
    Request(
        "", segments=(Segment("walks", 0.0, 2.0), Segment("bows", 2.0, 1.5, 0.4)), correct=False
    ),
    Progress("a", "sampling", 3, 50),
    Failure("a", "service", "message", "hint", "line 1\nline 2"),
    Hello("0.1.0", "Blender 5.0"),
    Ready("0.1.0", 1234, "gpu-box"),
    Ping(2**40),
    Pong(0),
    Cancel("a"),
    ListModels("q"),
    ModelTask("t", "convert", place="/x", family="mdm"),
    TaskDone("t", "It is here.", "mdm"),
    Models("q", (ModelInfo("starter", "Starter", fps=20.0, ready=False, problem="p", fix="f"),)),
    Models("q", ()),
    Models(
        "q", (ModelInfo("m", "M", abilities=("describe",), options=(), constraints=("root2d",)),)
    ),
    Request("", sample=Sample("jump", frames=40)),
    Request("", sample=Sample(number=3, names=True), sampler="exact"),
    Shutdown(),
    Log("warning", "text"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_a_message_survives(message: codec.Message) -> None:
    assert codec.read_message(io.BytesIO(codec.to_bytes(message))) == message


def features(frames: int, columns: int, representation: str = "hml263") -> Features:
    data = np.random.default_rng(columns).normal(size=(frames, columns)).astype(np.float32)
    return Features(data, representation, 20.0)


def same(one: Features, other: Features) -> bool:
    about = (one.representation, one.fps) == (other.representation, other.fps)
    return about and np.array_equal(one.data, other.data)


def test_what_is_described_survives_bit_for_bit() -> None:
    clips = (features(5, 263), features(9, 66, "joints"))
    got = codec.read_message(
        io.BytesIO(codec.to_bytes(Request("", describe=Describe(clips, with_length=True))))
    )
    assert isinstance(got, Request) and got.describe is not None and got.describe.with_length
    assert got.verb == "describe" and got.validated().prompt == ""
    assert all(map(same, got.describe.clips, clips))


def test_texts_and_clips_come_back_beside_motions() -> None:
    sent = Result("a", (motion(3), motion(5, 1)), ("w",), 1.5, ("a text",), (features(4, 66),))
    got = codec.read_message(io.BytesIO(codec.to_bytes(sent)))
    assert isinstance(got, Result) and got.texts == ("a text",)
    assert same(got.clips[0], sent.clips[0])
    assert all(
        np.array_equal(a.data, b.data) for a, b in zip(got.motions, sent.motions, strict=True)
    )
    header, payload = codec.encode(sent)
    with pytest.raises(FormatError, match="announces 264 numbers"):
        codec.decode(json.loads(json.dumps(header)), payload[:-4])


@pytest.mark.parametrize(
    ("task", "values"),
    [
        ("describe", {"clips": [{"frames": 2}], "with_length": False}),
        ("describe", {"clips": [], "with_length": 1}),
        ("describe", []),
        ("sample", {"action": 3, "number": None, "frames": None, "rig": True, "names": False}),
        ("sample", {"action": "jump"}),
    ],
)
def test_a_malformed_task_is_refused(task: str, values: object) -> None:
    header, payload = codec.encode(Request("walk"))
    with pytest.raises(FormatError, match="malformed"):
        codec.decode({**header, task: values}, payload)


def test_one_task_at_a_time() -> None:
    both = Request("", sample=Sample(), edit=Edit(motion(9), (2, 5)))
    with pytest.raises(InvalidRequest, match="two things"):
        both.validated()
    header, payload = codec.encode(Request("", edit=both.edit))
    with pytest.raises(FormatError, match="more than one task"):
        codec.decode({**header, "sample": {}}, payload)


@pytest.mark.parametrize(
    "edit",
    [
        Edit(motion(9), ((0, 2), (4, 9)), ("arms",), restarts=(0.9, 0.5)),
        Edit(motion(9), more=None, greedy=True),
        Edit(motion(9), middle=True),
        Edit(motion(9), ()),
    ],
)
def test_every_kind_of_edit_survives(edit: Edit) -> None:
    got = codec.read_message(io.BytesIO(codec.to_bytes(Request("wave", edit=edit))))
    assert isinstance(got, Request) and got.edit is not None
    assert np.array_equal(got.edit.motion.data, edit.motion.data)
    assert replace(got.edit, motion=edit.motion) == edit and got.verb == edit.verb


@pytest.mark.parametrize(
    ("frames", "joints"), [((2, 5), ()), (None, ("upper", "left_knee")), ((0, 3), ("arms",))]
)
def test_an_edit_survives_bit_for_bit(
    frames: tuple[int, int] | None, joints: tuple[str, ...]
) -> None:
    before = dataclasses.replace(motion(7, 1, prompt="before"), fps=24.0)
    sent = Request("wave", seed=3, edit=Edit(before, frames, joints))
    got = codec.read_message(io.BytesIO(codec.to_bytes(sent)))
    assert isinstance(got, Request) and got.edit is not None
    assert dataclasses.replace(got, edit=None) == dataclasses.replace(sent, edit=None)
    assert (got.edit.frames, got.edit.joints) == (frames, joints)
    assert got.edit.more == 0
    assert (got.edit.motion.fps, got.edit.motion.meta) == (24.0, {"prompt": "before"})
    np.testing.assert_array_equal(got.edit.motion.data, before.data)


def test_frames_to_add_survive() -> None:
    sent = Request("wave", edit=Edit(motion(7), more=90))
    got = codec.read_message(io.BytesIO(codec.to_bytes(sent)))
    assert isinstance(got, Request) and got.edit is not None and got.edit.more == 90


def test_a_request_that_edits_nothing_is_what_older_backends_read() -> None:
    header, payload = codec.encode(Request("walk"))
    assert set(header) == {"type", "request"} and not payload
    assert "edit" not in header["request"]
    with pytest.raises(FormatError, match="no payload"):
        codec.decode(header, b"1234")


EDIT_HEADER, EDIT_PAYLOAD = codec.encode(Request("wave", edit=Edit(motion(7), (2, 5))))


@pytest.mark.parametrize(
    "change",
    [
        {"frames": [1]},
        {"frames": [1.5, 2]},
        {"frames": [True, 2]},
        {"frames": "all"},
        {"joints": "upper"},
        {"joints": [3]},
        {"more": 1.5},
        {"more": True},
        {"motion": {"frames": 8, "fps": 30.0, "meta": {}}},
        {"motion": {"frames": 7, "fps": 0, "meta": {}}},
        {"motion": None},
        {"extra": 1},
    ],
)
def test_a_malformed_edit_is_refused(change: dict[str, Any]) -> None:
    header = {**EDIT_HEADER, "edit": {**EDIT_HEADER["edit"], **change}}
    with pytest.raises(FormatError):
        codec.decode(header, EDIT_PAYLOAD)


def test_every_message_type_is_covered_here() -> None:
    assert {type(m) for m in MESSAGES} | {Result} == set(get_args(codec.Message))


def test_a_result_survives_bit_for_bit() -> None:
    meta = {"prompt": "wälk", "params": {"steps": 20}, "warnings": ["far"], "none": None}
    sent = Result("a", (motion(7, 1, **meta), motion(1, 2), motion(30, 3)), ("careful",), 1.25)
    got = codec.read_message(io.BytesIO(codec.to_bytes(sent)))
    assert isinstance(got, Result)
    assert (got.id, got.warnings, got.seconds_taken) == ("a", ("careful",), 1.25)
    assert [m.meta for m in got.motions] == [meta, {}, {}]
    for a, b in zip(sent.motions, got.motions, strict=True):
        assert b.fps == a.fps and b.data.dtype == np.float32 and b.data.flags.writeable
        np.testing.assert_array_equal(a.data, b.data)


def test_a_result_without_motions_survives() -> None:
    got = codec.decode(*codec.encode(Result("a", ())))
    assert got == Result("a", ())


def test_numpy_values_in_meta_become_plain() -> None:
    sent = Result("a", (motion(2, score=np.float32(0.5), counts=np.arange(3)),))
    got = codec.read_message(io.BytesIO(codec.to_bytes(sent)))
    assert isinstance(got, Result) and got.motions[0].meta == {"score": 0.5, "counts": [0, 1, 2]}


def test_the_largest_allowed_answer_fits() -> None:
    frames = round(limits.MAX_SECONDS * MOTION_FPS) + 1
    assert limits.MAX_SAMPLES * frames * 135 * 4 <= framing.MAX_PAYLOAD_BYTES


def test_a_long_detail_keeps_its_end() -> None:
    got = codec.decode(*codec.encode(Failure("a", "internal", "m", "", "x" * 10**6 + "the end")))
    assert isinstance(got, Failure)
    assert got.detail.endswith("the end") and len(got.detail) < 10**5


RESULT_HEADER, RESULT_PAYLOAD = codec.encode(Result("a", (motion(2), motion(3)), ("w",), 1.0))


@pytest.mark.parametrize(
    "change",
    [
        {"columns": 263},
        {"motions": {}},
        {"motions": [{"frames": 5, "fps": 30.0, "meta": []}]},
        {"motions": [{"frames": -5, "fps": 30.0, "meta": {}}]},
        {"motions": [{"frames": True, "fps": 30.0, "meta": {}}]},
        {"motions": [{"frames": 5, "fps": 0.0, "meta": {}}]},
        {"motions": [{"frames": 4, "fps": 30.0, "meta": {}}]},
        {"motions": [{"frames": 5, "fps": 30.0}]},
        {"motions": []},
        {"warnings": [1]},
        {"seconds_taken": "fast"},
        {"id": 5},
        {"extra": 1},
    ],
)
def test_a_malformed_result_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        codec.decode({**RESULT_HEADER, **change}, RESULT_PAYLOAD)


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ({}, "Unknown message type"),
        ({"type": "dance"}, "Unknown message type"),
        ({"type": ["ping"]}, "Unknown message type"),
        ({"type": "ping"}, "missing or unknown"),
        ({"type": "ping", "number": 1, "more": 2}, "missing or unknown"),
        ({"type": "ping", "number": True}, "must be int"),
        ({"type": "ping", "number": 1.5}, "must be int"),
        ({"type": "ping", "number": 10**400}, "must be int"),
        ({"type": "cancel", "id": None}, "must be str"),
        ({"type": "cancel", "id": "x" * 300}, "An id has 300 characters"),
        ({"type": "request", "request": {"id": "x" * 300, "prompt": "x"}}, "An id has 300"),
        ({"type": "request", "request": {"id": "", "prompt": "x"}}, "with an id"),
        ({"type": "request", "request": {"prompt": "x"}}, "with an id"),
        ({"type": "models", "id": "a", "models": [3]}, "must be an object"),
        ({"type": "models", "id": "a", "models": {}}, "malformed"),
    ],
)
def test_a_malformed_message_is_refused(header: dict[str, Any], text: str) -> None:
    with pytest.raises(FormatError, match=text):
        codec.decode(header, b"")


def test_what_a_failure_quotes_is_cut_so_that_it_fits_into_a_frame() -> None:
    """A person's whole input may stand in a message; the answer must arrive all the same."""
    failure = Failure("a", "format", "m" * framing.MAX_HEADER_BYTES, "h" * 10_000, "")
    header, payload = framing.read_frame(io.BytesIO(codec.to_bytes(failure))) or ({}, b"")
    decoded = codec.decode(header, payload)
    assert isinstance(decoded, Failure)
    assert failure.message.startswith(decoded.message) and len(decoded.message) > 100
    assert failure.hint.startswith(decoded.hint) and decoded.hint


def test_a_payload_where_none_belongs_is_refused() -> None:
    with pytest.raises(FormatError, match="no payload"):
        codec.decode({"type": "ping", "number": 1}, b"\0")


def test_a_request_of_a_newer_client_is_refused_by_field() -> None:
    body = {**Request("x").to_dict(), "style": "tired"}
    with pytest.raises(InvalidRequest, match="style"):
        codec.decode({"type": "request", "request": body}, b"")


def test_every_mutation_of_a_message_is_a_message_or_a_kinetype_error() -> None:
    rng = np.random.default_rng(3)
    values: list[Any] = [None, True, -1, 1.5, "x", [], {}, [[]], {"id": {}}, 10**30, 10**400]
    values += ["x" * 10_000]
    pool = [codec.encode(m) for m in (*MESSAGES, Result("a", (motion(2),)))]
    for _ in range(3000):
        header, payload = pool[rng.integers(len(pool))]
        copy = json.loads(json.dumps(header))
        target = copy
        while (inner := [v for v in target.values() if isinstance(v, dict)]) and rng.random() < 0.5:
            target = inner[0]
        if not target:
            continue
        key = list(target)[rng.integers(len(target))]
        if rng.random() < 0.3:
            del target[key]
        else:
            target[key] = values[rng.integers(len(values))]
        try:
            message = codec.decode(copy, payload)
        except KinetypeError:
            continue
        assert dataclasses.is_dataclass(message)


def test_silence_counts_ticks_since_the_last_word() -> None:
    silence = Silence(limit_seconds=3.0, tick_seconds=1.0)
    assert [silence.tick(), silence.tick()] == [False, False]
    silence.heard()
    assert [silence.tick(), silence.tick(), silence.tick()] == [False, False, True]

"""Messages to frames and back: every message of ``messages`` and ``control`` has one type name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields, replace
from typing import Any, BinaryIO, TypedDict, TypeVar

import numpy as np

from ..errors import FormatError
from . import limits
from .control import (
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
)
from .framing import SAME_VERSION, Reader, pack_frame, read_frame
from .messages import Describe, Edit, Failure, Features, Motion, Progress, Request, Result, Sample
from .skeleton import MOTION_DIM
from .tasks import ModelTask, TaskDone

Message = (
    Request
    | Progress
    | Result
    | Failure
    | Hello
    | Ready
    | Ping
    | Pong
    | Cancel
    | ListModels
    | Models
    | ModelTask
    | TaskDone
    | Shutdown
    | Log
)
"""Everything that crosses the wire."""

_PLAIN: dict[str, type] = {
    "progress": Progress,
    "failure": Failure,
    "hello": Hello,
    "ready": Ready,
    "ping": Ping,
    "pong": Pong,
    "cancel": Cancel,
    "list_models": ListModels,
    "model_task": ModelTask,
    "task_done": TaskDone,
    "shutdown": Shutdown,
    "log": Log,
}
_NAMES = {kind: name for name, kind in _PLAIN.items()}
_FIELD_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
}
_TEXTS = "tuple[str, ...]"
_MAX_DETAIL_CHARS = 20_000
_MAX_TEXT_CHARS = 4_000
"""Of a sentence for people: what is quoted in one may be as long as what was sent."""
_WHOLE_LIMIT = 2**63
_FLOAT = np.dtype("<f4")
_T = TypeVar("_T")


class _ClipHeader(TypedDict):
    """What a header says of a motion: rows of the payload, frames per second, notes."""

    frames: int
    fps: float
    meta: dict[str, object]


class _FeaturesHeader(TypedDict):
    """What a header says of features: their shape in the payload, and what they are."""

    frames: int
    columns: int
    representation: str
    fps: float


def encode(message: Message) -> tuple[dict[str, object], bytes]:
    """``(header, payload)`` of a message; a :class:`Result` or an edit has a payload."""
    if isinstance(message, Request):
        return _encode_request(message)
    if isinstance(message, Result):
        return _encode_result(message)
    if isinstance(message, Models):
        return {
            "type": "models",
            "id": message.id,
            "models": [asdict(info) for info in message.models],
        }, b""
    values = asdict(message)
    if isinstance(message, Failure):
        values["message"] = message.message[:_MAX_TEXT_CHARS]
        values["hint"] = message.hint[:_MAX_TEXT_CHARS]
        values["detail"] = message.detail[-_MAX_DETAIL_CHARS:]
    elif isinstance(message, Log):
        values["text"] = message.text[:_MAX_TEXT_CHARS]
    return {"type": _NAMES[type(message)], **values}, b""


def decode(header: dict[str, object], payload: bytes) -> Message:
    """The message of a frame.

    Raises:
        FormatError: unknown type, missing, unknown or ill-typed fields, or a payload of the
            wrong size.
        InvalidRequest: a request with unknown fields (a newer client).
    """
    try:
        return _decoded(header, payload)
    except FormatError as error:
        raise FormatError(error.message, error.hint or SAME_VERSION) from error


def _decoded(header: dict[str, object], payload: bytes) -> Message:
    name = header.get("type")
    values = {key: value for key, value in header.items() if key != "type"}
    if name == "result":
        return _decode_result(values, payload)
    if name == "request":
        return _decode_request(values, payload)
    if payload:
        raise FormatError(f"A message of type {name!r} has no payload.")
    if name == "models":
        return _decode_models(values)
    kind = _PLAIN.get(name) if isinstance(name, str) else None
    if kind is None:
        raise FormatError(f"Unknown message type {str(name)[:40]!r}.")
    built: Message = _build(kind, values)
    return built


def to_bytes(message: Message) -> bytes:
    """A message as one frame."""
    return pack_frame(*encode(message))


def write_message(stream: BinaryIO, message: Message) -> None:
    """Write and flush one message."""
    stream.write(to_bytes(message))
    stream.flush()


def read_message(stream: Reader) -> Message | None:
    """The next message, or None at the end of the stream; errors as in ``read_frame``."""
    frame = read_frame(stream)
    return None if frame is None else decode(*frame)


def _encode_request(request: Request) -> tuple[dict[str, object], bytes]:
    header: dict[str, object] = {"type": "request", "request": request.to_dict()}
    # a task is absent from other requests, so that an older backend still reads those
    if request.edit is not None:
        edit = request.edit
        header["edit"] = {
            "motion": _clip(edit.motion),
            "frames": edit.frames,  # JSON makes lists of tuples
            "joints": list(edit.joints),
            "more": edit.more,
            "middle": edit.middle,
            "restarts": None if edit.restarts is None else list(edit.restarts),
            "greedy": edit.greedy,
        }
        return header, _payload([edit.motion.data])
    if request.describe is not None:
        clips = request.describe.clips
        header["describe"] = {
            "clips": [_features(clip) for clip in clips],
            "with_length": request.describe.with_length,
        }
        return header, _payload(clip.data for clip in clips)
    if request.sample is not None:
        header["sample"] = asdict(request.sample)
    return header, b""


def _decode_request(values: dict[str, object], payload: bytes) -> Request:
    tasks = {name: values.pop(name) for name in ("edit", "describe", "sample") if name in values}
    _expect_keys("request", values, {"request"})
    body = values["request"]
    if not isinstance(body, dict) or not isinstance(body.get("id"), str):
        raise FormatError("A request must be an object with an id.")
    _check_id(body["id"])
    if not body["id"]:
        # a failure without an id is about the backend itself
        raise FormatError("A request must be an object with an id.")
    request = Request.from_dict(body)
    if len(tasks) > 1:
        raise FormatError("A request has more than one task.")
    if "edit" in tasks:
        return replace(request, edit=_decode_edit(tasks["edit"], payload))
    if "describe" in tasks:
        return replace(request, describe=_decode_describe(tasks["describe"], payload))
    if payload:
        raise FormatError("A request that edits and describes nothing has no payload.")
    if "sample" in tasks:
        return replace(request, sample=_decode_sample(tasks["sample"]))
    return request


def _decode_edit(edit: object, payload: bytes) -> Edit:
    names = {f.name for f in fields(Edit)}
    valid = isinstance(edit, dict) and (
        set(edit) == names
        and _is_clip(edit["motion"])
        and (
            edit["frames"] is None
            or _is_range(edit["frames"])
            or _is_list(edit["frames"], _is_range)
        )
        and _is_list(edit["joints"], lambda joint: _is(joint, (str,)))
        and _is_maybe(edit["more"], (int,))
        and (edit["restarts"] is None or _is_list(edit["restarts"], lambda n: _is(n, (int, float))))
        and _is(edit["middle"], (bool,))
        and _is(edit["greedy"], (bool,))
    )
    if not isinstance(edit, dict) or not valid:
        raise FormatError("What a request edits is malformed.")
    [motion] = _motions("request", [edit["motion"]], payload)
    tuples = {name: _as_tuples(edit[name]) for name in ("frames", "joints", "restarts")}
    return Edit(**{**edit, **tuples, "motion": motion})


def _as_tuples(value: object) -> object:
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


def _decode_describe(values: object, payload: bytes) -> Describe:
    valid = (
        isinstance(values, dict)
        and set(values) == {"clips", "with_length"}
        and _is_list(values["clips"], _is_features)
        and _is(values["with_length"], (bool,))
    )
    if not isinstance(values, dict) or not valid:
        raise FormatError("What a request describes is malformed.")
    return Describe(_split_features("request", values["clips"], payload), values["with_length"])


def _decode_sample(values: object) -> Sample:
    valid = (
        isinstance(values, dict)
        and set(values) == {f.name for f in fields(Sample)}
        and _is_maybe(values["action"], (str,))
        and _is_maybe(values["number"], (int,))
        and _is_maybe(values["frames"], (int,))
        and _is(values["rig"], (bool,))
        and _is(values["names"], (bool,))
    )
    if not isinstance(values, dict) or not valid:
        raise FormatError("The action of a request is malformed.")
    return Sample(**values)


def _is_maybe(value: object, kinds: tuple[type, ...]) -> bool:
    return value is None or _is(value, kinds)


def _is_list(values: object, check: Callable[[object], bool]) -> bool:
    return isinstance(values, list) and all(check(value) for value in values)


def _is_range(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(_is(end, (int,)) for end in value)


def _is_ranges(value: object) -> bool:
    return _is_range(value) or _is_list(value, _is_range)


def _encode_result(result: Result) -> tuple[dict[str, object], bytes]:
    header = {
        "type": "result",
        "id": result.id,
        "columns": MOTION_DIM,
        "motions": [_clip(motion) for motion in result.motions],
        "warnings": list(result.warnings),
        "seconds_taken": result.seconds_taken,
        "texts": list(result.texts),
        "clips": [_features(clip) for clip in result.clips],
    }
    rows = [m.data for m in result.motions] + [clip.data for clip in result.clips]
    return header, _payload(rows)


def _decode_result(values: dict[str, Any], payload: bytes) -> Result:
    known = {f.name for f in fields(Result)} | {"columns"}
    _expect_keys("result", values, known)
    taken, clips = values["seconds_taken"], values["motions"]
    valid = (
        isinstance(values["id"], str)
        and values["columns"] == MOTION_DIM
        and _is_list(clips, _is_clip)
        and _is_list(values["clips"], _is_features)
        and _is_list(values["warnings"], lambda text: _is(text, (str,)))
        and _is_list(values["texts"], lambda text: _is(text, (str,)))
        and _is(taken, (int, float))
    )
    if not valid:
        raise FormatError("A result header is malformed.")
    _check_id(values["id"])
    size = sum(clip["frames"] for clip in clips) * MOTION_DIM * _FLOAT.itemsize
    motions = _motions("result", clips, payload[:size])
    features = _split_features("result", values["clips"], payload[size:])
    return Result(
        values["id"],
        motions,
        tuple(values["warnings"]),
        float(taken),
        tuple(values["texts"]),
        features,
    )


def _features(clip: Features) -> dict[str, object]:
    """What a header says of features in the payload."""
    frames, columns = clip.data.shape
    about = {"representation": clip.representation, "fps": clip.fps}
    return {"frames": frames, "columns": columns, **about}


def _is_features(clip: object) -> bool:
    return (
        isinstance(clip, dict)
        and set(clip) == {"frames", "columns", "representation", "fps"}
        and all(_is(clip[name], (int,)) and clip[name] > 0 for name in ("frames", "columns"))
        and isinstance(clip["representation"], str)
        and _is_rate(clip["fps"])
    )


def _split_features(
    name: str, clips: Sequence[_FeaturesHeader], payload: bytes
) -> tuple[Features, ...]:
    """The clips of a payload, of which ``clips`` (checked) say their shapes."""
    sizes = [clip["frames"] * clip["columns"] for clip in clips]
    if len(payload) != sum(sizes) * _FLOAT.itemsize:
        raise FormatError(
            f"A {name} announces {sum(sizes)} numbers but carries {len(payload)} bytes."
        )
    rows = np.frombuffer(payload, dtype=_FLOAT)
    parts = np.split(rows, np.cumsum(sizes)[:-1]) if clips else []
    return tuple(
        Features(part.reshape(-1, clip["columns"]), clip["representation"], float(clip["fps"]))
        for part, clip in zip(parts, clips, strict=True)
    )


def _clip(motion: Motion) -> dict[str, object]:
    """What a header says of a motion in the payload."""
    return {"frames": len(motion.data), "fps": motion.fps, "meta": motion.meta}


def _payload(rows: Iterable[np.ndarray]) -> bytes:
    return b"".join(data.astype(_FLOAT, copy=False).tobytes() for data in rows)


def _motions(name: str, clips: Sequence[_ClipHeader], payload: bytes) -> tuple[Motion, ...]:
    """The motions of a payload, of which ``clips`` (checked) say how long they are."""
    counts = [clip["frames"] for clip in clips]
    if len(payload) != sum(counts) * MOTION_DIM * _FLOAT.itemsize:
        raise FormatError(
            f"A {name} announces {sum(counts)} frames but carries {len(payload)} bytes."
        )
    rows = np.frombuffer(payload, dtype=_FLOAT).reshape(-1, MOTION_DIM)
    parts = np.split(rows, np.cumsum(counts)[:-1]) if clips else []
    return tuple(
        Motion(part.astype(np.float32), float(clip["fps"]), clip["meta"])
        for part, clip in zip(parts, clips, strict=True)
    )


def _is_clip(clip: object) -> bool:
    return (
        isinstance(clip, dict)
        and set(clip) == {"frames", "fps", "meta"}
        and _is(clip["frames"], (int,))
        and clip["frames"] > 0
        and _is_rate(clip["fps"])
        and isinstance(clip["meta"], dict)
    )


def _is_rate(fps: object) -> bool:
    return (
        isinstance(fps, int | float) and _is(fps, (int, float)) and math.isfinite(fps) and fps > 0
    )


def _decode_models(values: dict[str, object]) -> Models:
    _expect_keys("models", values, {"id", "models"})
    listed = values["models"]
    if not isinstance(values["id"], str) or not isinstance(listed, list):
        raise FormatError("A list of models is malformed.")
    _check_id(values["id"])
    return Models(values["id"], tuple(_build(ModelInfo, entry) for entry in listed))


def _build(kind: Callable[..., _T], values: object) -> _T:
    """A flat dataclass from JSON values, every field present and of its declared type."""
    name = getattr(kind, "__name__", "message")
    if not isinstance(values, dict):
        raise FormatError(f"A {name} must be an object.")
    declared = {f.name: str(f.type) for f in fields(kind)}  # type: ignore[arg-type]
    _expect_keys(name, values, set(declared))
    for key, type_name in declared.items():
        value = values[key]
        if type_name == _TEXTS and isinstance(value, list) and all(_is(t, (str,)) for t in value):
            values = {**values, key: tuple(value)}
        elif type_name == _TEXTS or not _is(value, _FIELD_TYPES[type_name]):
            raise FormatError(f"{name}.{key} must be {type_name}, not {str(values[key])[:40]!r}.")
    _check_id(values.get("id", ""))
    return kind(**values)


def _check_id(found: str) -> None:
    if len(found) > limits.MAX_ID_CHARS:
        raise FormatError(f"An id has {len(found)} characters; the limit is {limits.MAX_ID_CHARS}.")


def _is(value: object, kinds: tuple[type, ...]) -> bool:
    # bool is an int in Python; on the wire it is not
    if isinstance(value, bool) or not isinstance(value, int):
        return isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
    # JSON knows whole numbers that no float can hold
    return isinstance(value, kinds) and abs(value) < _WHOLE_LIMIT


def _expect_keys(name: str, values: dict[str, object], expected: set[str]) -> None:
    if set(values) != expected:
        wrong = [key[:40] for key in sorted(set(values) ^ expected)[:5]]
        raise FormatError(f"A {name} message has missing or unknown fields {wrong}.")

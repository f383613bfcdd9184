"""Messages to frames and back: every message of ``messages`` and ``control`` has one type name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields, replace
from typing import Any, BinaryIO, TypeVar

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
from .messages import Edit, Failure, Motion, Progress, Request, Result
from .skeleton import MOTION_DIM

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


def encode(message: Message) -> tuple[dict[str, Any], bytes]:
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


def decode(header: dict[str, Any], payload: bytes) -> Message:
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


def _decoded(header: dict[str, Any], payload: bytes) -> Message:
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


def _encode_request(request: Request) -> tuple[dict[str, Any], bytes]:
    header: dict[str, Any] = {"type": "request", "request": request.to_dict()}
    if request.edit is None:
        return header, b""
    edit = request.edit
    # absent from other requests, so that an older backend still reads those
    header["edit"] = {
        "motion": _clip(edit.motion),
        "frames": None if edit.frames is None else list(edit.frames),
        "joints": list(edit.joints),
        "more": edit.more,
    }
    return header, _payload([edit.motion])


def _decode_request(values: dict[str, Any], payload: bytes) -> Request:
    edit = values.pop("edit", None)
    _expect_keys("request", values, {"request"})
    body = values["request"]
    if not isinstance(body, dict) or not isinstance(body.get("id"), str):
        raise FormatError("A request must be an object with an id.")
    _check_id(body["id"])
    if not body["id"]:
        # a failure without an id is about the backend itself
        raise FormatError("A request must be an object with an id.")
    if edit is None:
        if payload:
            raise FormatError("A request that edits nothing has no payload.")
        return Request.from_dict(body)
    return replace(Request.from_dict(body), edit=_decode_edit(edit, payload))


def _decode_edit(edit: Any, payload: bytes) -> Edit:
    valid = (
        isinstance(edit, dict)
        and set(edit) == {"motion", "frames", "joints", "more"}
        and _is_clip(edit["motion"])
        and _is_range(edit["frames"])
        and _is(edit["more"], (int,))
        and isinstance(edit["joints"], list)
        and all(isinstance(joint, str) for joint in edit["joints"])
    )
    if not valid:
        raise FormatError("What a request edits is malformed.")
    [motion] = _motions("request", [edit["motion"]], payload)
    frames = None if edit["frames"] is None else tuple(edit["frames"])
    return Edit(motion, frames, tuple(edit["joints"]), edit["more"])


def _is_range(value: Any) -> bool:
    return value is None or (
        isinstance(value, list) and len(value) == 2 and all(_is(end, (int,)) for end in value)
    )


def _encode_result(result: Result) -> tuple[dict[str, Any], bytes]:
    header = {
        "type": "result",
        "id": result.id,
        "columns": MOTION_DIM,
        "motions": [_clip(motion) for motion in result.motions],
        "warnings": list(result.warnings),
        "seconds_taken": result.seconds_taken,
    }
    return header, _payload(result.motions)


def _decode_result(values: dict[str, Any], payload: bytes) -> Result:
    _expect_keys("result", values, {"id", "columns", "motions", "warnings", "seconds_taken"})
    clips, warnings = values["motions"], values["warnings"]
    taken = values["seconds_taken"]
    valid = (
        isinstance(values["id"], str)
        and values["columns"] == MOTION_DIM
        and isinstance(clips, list)
        and isinstance(warnings, list)
        and all(isinstance(text, str) for text in warnings)
        and _is(taken, (int, float))
        and all(_is_clip(clip) for clip in clips)
    )
    if not valid:
        raise FormatError("A result header is malformed.")
    _check_id(values["id"])
    motions = _motions("result", clips, payload)
    return Result(values["id"], motions, tuple(warnings), float(taken))


def _clip(motion: Motion) -> dict[str, Any]:
    """What a header says of a motion in the payload."""
    return {"frames": len(motion.data), "fps": motion.fps, "meta": motion.meta}


def _payload(motions: Iterable[Motion]) -> bytes:
    return b"".join(m.data.astype(_FLOAT, copy=False).tobytes() for m in motions)


def _motions(name: str, clips: Sequence[dict[str, Any]], payload: bytes) -> tuple[Motion, ...]:
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


def _is_clip(clip: Any) -> bool:
    return (
        isinstance(clip, dict)
        and set(clip) == {"frames", "fps", "meta"}
        and _is(clip["frames"], (int,))
        and clip["frames"] > 0
        and _is(clip["fps"], (int, float))
        and math.isfinite(clip["fps"])
        and clip["fps"] > 0
        and isinstance(clip["meta"], dict)
    )


def _decode_models(values: dict[str, Any]) -> Models:
    _expect_keys("models", values, {"id", "models"})
    listed = values["models"]
    if not isinstance(values["id"], str) or not isinstance(listed, list):
        raise FormatError("A list of models is malformed.")
    _check_id(values["id"])
    return Models(values["id"], tuple(_build(ModelInfo, entry) for entry in listed))


def _build(kind: Callable[..., _T], values: Any) -> _T:
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


def _is(value: Any, kinds: tuple[type, ...]) -> bool:
    # bool is an int in Python; on the wire it is not
    if isinstance(value, bool) or not isinstance(value, int):
        return isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
    # JSON knows whole numbers that no float can hold
    return isinstance(value, kinds) and abs(value) < _WHOLE_LIMIT


def _expect_keys(name: str, values: dict[str, Any], expected: set[str]) -> None:
    if set(values) != expected:
        wrong = [key[:40] for key in sorted(set(values) ^ expected)[:5]]
        raise FormatError(f"A {name} message has missing or unknown fields {wrong}.")

"""Frames on a byte stream: ``KNTP``, version, two lengths, a JSON header, a raw payload.

Layout, big-endian: 4 bytes magic, uint16 protocol version, uint32 header length, uint32 payload
length, then the header (UTF-8 JSON object) and the payload (little-endian float32 values; their
shape is in the header). ``codec`` turns messages into headers and payloads.
"""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO, Protocol

from ..errors import FormatError, ServiceError
from . import limits
from .skeleton import MOTION_DIM, MOTION_FPS

MAGIC = b"KNTP"
PROTOCOL_VERSION = 1
MAX_HEADER_BYTES = 4 * 2**20
_FRAMES_PER_SAMPLE = int((limits.MAX_SECONDS + 1.0) * MOTION_FPS)
MAX_PAYLOAD_BYTES = limits.MAX_SAMPLES * _FRAMES_PER_SAMPLE * MOTION_DIM * 4
"""The largest answer that the request limits allow."""
MAX_NOISE_BYTES = 64 * 1024
"""How much a login shell may print on stdout before the first frame (``ssh host ...``)."""

_HEAD = struct.Struct(">4sHII")
_CHUNK = 2**20
SAME_VERSION = "Install the same Kinetype version in Blender and in the backend."
_NOT_KINETYPE = "Check that the backend command starts 'kinetype serve' and prints nothing itself."


class Reader(Protocol):
    """Anything with a blocking ``read(size)`` that returns b"" at the end."""

    def read(self, size: int, /) -> bytes | None:
        """At most ``size`` bytes."""


def pack_frame(header: dict[str, object], payload: bytes = b"") -> bytes:
    """One frame as bytes; raises :class:`FormatError` if it cannot be written or is too large."""
    try:
        text = json.dumps(
            header, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain
        ).encode("utf-8", "backslashreplace")
    except (TypeError, ValueError, RecursionError) as error:
        raise FormatError(
            f"The message cannot be written as JSON: {error}.",
            "Keep text, numbers, lists and dictionaries in Motion.meta.",
        ) from error
    _check_lengths(len(text), len(payload))
    return _HEAD.pack(MAGIC, PROTOCOL_VERSION, len(text), len(payload)) + text + payload


def write_frame(stream: BinaryIO, header: dict[str, object], payload: bytes = b"") -> None:
    """Write and flush one frame; raises :class:`OSError` when the other side is gone."""
    stream.write(pack_frame(header, payload))
    stream.flush()


def read_frame(stream: Reader) -> tuple[dict[str, object], bytes] | None:
    """The next ``(header, payload)``, or None when the stream ended between two frames.

    Raises:
        FormatError: not a frame, too large, or a header that is not a JSON object. The stream
            cannot be read on.
        ServiceError: another protocol version, or the stream ended inside a frame.
    """
    head = _read_exact(stream, _HEAD.size, may_end=True)
    if head is None:
        return None
    return _read_body(stream, head)


def read_first_frame(
    stream: Reader, noise: bytearray | None = None
) -> tuple[dict[str, object], bytes] | None:
    """Like :func:`read_frame`, but skips what a shell printed before the first frame.

    ``noise`` receives the skipped bytes. More than ``MAX_NOISE_BYTES`` of it is a
    :class:`FormatError`.
    """
    noise = bytearray() if noise is None else noise
    while not noise.endswith(MAGIC):
        if len(noise) > MAX_NOISE_BYTES:
            raise FormatError(f"The backend printed {_excerpt(bytes(noise))}.", _NOT_KINETYPE)
        byte = _read_exact(stream, 1, may_end=True)
        if byte is None:
            if noise:
                raise FormatError(f"The backend printed {_excerpt(bytes(noise))}.", _NOT_KINETYPE)
            return None
        noise += byte
    del noise[-len(MAGIC) :]
    rest = _read_exact(stream, _HEAD.size - len(MAGIC))
    assert rest is not None
    return _read_body(stream, MAGIC + rest)


def _read_body(stream: Reader, head: bytes) -> tuple[dict[str, object], bytes]:
    magic, version, header_length, payload_length = _HEAD.unpack(head)
    if magic != MAGIC:
        raise FormatError(f"Expected a Kinetype frame, got {_excerpt(head)}.", _NOT_KINETYPE)
    if version != PROTOCOL_VERSION:
        raise ServiceError(
            f"The other side speaks protocol {version}, this side {PROTOCOL_VERSION}.",
            SAME_VERSION,
        )
    _check_lengths(header_length, payload_length)
    text = _read_exact(stream, header_length)
    payload = _read_exact(stream, payload_length)
    assert text is not None and payload is not None
    return _parse_header(text), payload


def _parse_header(text: bytes) -> dict[str, object]:
    try:
        header = json.loads(text.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise FormatError(
            f"A message header is not JSON: {_excerpt(text)}.", SAME_VERSION
        ) from error
    if not isinstance(header, dict):
        raise FormatError(
            f"A message header must be a JSON object, not {_excerpt(text)}.", SAME_VERSION
        )
    return header


def _read_exact(stream: Reader, size: int, *, may_end: bool = False) -> bytes | None:
    # in chunks, so that memory grows with what arrives and not with what a header claims
    data = bytearray()
    while len(data) < size:
        part = stream.read(min(_CHUNK, size - len(data)))
        if not part:
            if may_end and not data:
                return None
            raise ServiceError("The connection ended in the middle of a message.", "Press Restart.")
        data += part
    return bytes(data)


def _check_lengths(header_length: int, payload_length: int) -> None:
    if not 2 <= header_length <= MAX_HEADER_BYTES:
        raise FormatError(
            f"A message header has {header_length} bytes; the limit is {MAX_HEADER_BYTES}.",
            SAME_VERSION,
        )
    if payload_length > MAX_PAYLOAD_BYTES:
        raise FormatError(
            f"A message payload has {payload_length} bytes; the limit is {MAX_PAYLOAD_BYTES}.",
            "Ask for fewer samples or a shorter motion.",
        )


def _plain(value: Any) -> Any:
    """Numpy scalars and arrays in ``Motion.meta`` as plain JSON values."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _excerpt(data: bytes) -> str:
    return repr(data[:80].decode("utf-8", "replace"))

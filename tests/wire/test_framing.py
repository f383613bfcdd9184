"""Frames: exact round trips, bounds, and no surprise from any bytes."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest

from backend.errors import FormatError, KinetypeError, ServiceError
from backend.wire import codec, framing
from backend.wire.messages import Progress

GOOD = framing.pack_frame({"type": "ping", "number": 1}, b"")


def read(data: bytes) -> object:
    return framing.read_frame(io.BytesIO(data))


def test_the_layout_is_the_documented_one() -> None:
    frame = framing.pack_frame({"a": "ä"}, b"\x01\x02")
    text = '{"a":"ä"}'.encode()
    assert frame == b"KNTP" + struct.pack(">HII", 1, len(text), 2) + text + b"\x01\x02"


def test_frames_follow_one_another() -> None:
    stream = io.BytesIO(framing.pack_frame({"n": 1}, b"abc") + framing.pack_frame({"n": 2}))
    assert framing.read_frame(stream) == ({"n": 1}, b"abc")
    assert framing.read_frame(stream) == ({"n": 2}, b"")
    assert framing.read_frame(stream) is None


def test_a_stream_may_deliver_single_bytes() -> None:
    class Drip(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(1 if size else 0)

    assert framing.read_frame(Drip(framing.pack_frame({"n": 1}, b"abc"))) == ({"n": 1}, b"abc")


@pytest.mark.parametrize("length", range(1, len(GOOD)))
def test_a_truncated_frame_is_told(length: int) -> None:
    with pytest.raises(ServiceError, match="middle of a message"):
        read(GOOD[:length])


def head(magic: bytes = b"KNTP", version: int = 1, header: int = 2, payload: int = 0) -> bytes:
    return struct.pack(">4sHII", magic, version, header, payload)


@pytest.mark.parametrize(
    ("data", "error", "text"),
    [
        (b"\x00" * 64, FormatError, "Kinetype frame"),
        (head(magic=b"PNTK") + b"{}", FormatError, "Kinetype frame"),
        (head(version=2) + b"{}", ServiceError, "protocol 2, this side 1"),
        (head(header=0), FormatError, "limit"),
        (head(header=framing.MAX_HEADER_BYTES + 1), FormatError, "limit"),
        (head(payload=framing.MAX_PAYLOAD_BYTES + 1) + b"{}", FormatError, "limit"),
        (head(header=4) + b"\xff\xfe\xfd\xfc", FormatError, "not JSON"),
        (head(header=4) + b"null", FormatError, "JSON object"),
        (head(header=12) + b'{"a":  NaN }', FormatError, "not JSON"),
        (head(header=60_000) + b"[" * 60_000, FormatError, "not JSON"),
    ],
)
def test_bad_frames_are_named(data: bytes, error: type[KinetypeError], text: str) -> None:
    with pytest.raises(error, match=text):
        read(data)


def test_memory_grows_with_what_arrives_only() -> None:
    class Counting(io.BytesIO):
        largest = 0

        def read(self, size: int | None = -1, /) -> bytes:
            self.largest = max(self.largest, size or 0)
            return super().read(size)

    stream = Counting(head(payload=framing.MAX_PAYLOAD_BYTES) + b"{}")
    with pytest.raises(ServiceError):
        framing.read_frame(stream)
    assert stream.largest <= 2**20


def test_what_cannot_be_written_is_told_before_anything_is_written() -> None:
    stream = io.BytesIO()
    for header in ({"a": object()}, {"a": float("nan")}, {"a": "x" * framing.MAX_HEADER_BYTES}):
        with pytest.raises(FormatError):
            framing.write_frame(stream, header)
    with pytest.raises(FormatError, match="fewer samples"):
        framing.write_frame(stream, {}, bytes(framing.MAX_PAYLOAD_BYTES + 1))
    assert stream.getvalue() == b""


def test_noise_before_the_first_frame_is_skipped() -> None:
    noise = bytearray()
    stream = io.BytesIO(b"Last login: K KN KNT KKNTKNT\r\n" + GOOD + GOOD)
    assert framing.read_first_frame(stream, noise) == ({"type": "ping", "number": 1}, b"")
    assert noise == b"Last login: K KN KNT KKNTKNT\r\n"
    assert framing.read_frame(stream) is not None
    assert framing.read_first_frame(io.BytesIO(b"")) is None
    with pytest.raises(FormatError, match="command not found"):
        framing.read_first_frame(io.BytesIO(b"command not found\n"))
    with pytest.raises(FormatError, match="aaaa"):
        framing.read_first_frame(io.BytesIO(b"a" * 2**20))


def test_random_bytes_raise_nothing_else() -> None:
    """Random streams, and every kind of damage to a good one."""
    rng = np.random.default_rng(7)
    good = codec.to_bytes(Progress("id", "sampling", 3, 50)) * 3
    for trial in range(3000):
        if trial % 3 == 0:
            data = rng.bytes(int(rng.integers(0, 200)))
        elif trial % 3 == 1:
            data = head(header=int(rng.integers(0, 60))) + rng.bytes(80)
        else:
            damaged = bytearray(good)
            for place in rng.integers(0, len(damaged), int(rng.integers(1, 5))):
                damaged[place] = int(rng.integers(0, 256))
            data = bytes(damaged[: int(rng.integers(0, len(damaged) + 1))])
        stream = io.BytesIO(data)
        try:
            while codec.read_message(stream) is not None:
                pass
        except KinetypeError as error:
            assert error.message

"""How long the list of members of a zip archive is, before it is read: a million take 1 GB."""

from __future__ import annotations

import struct
from typing import BinaryIO

from . import bounds
from .pickle_scan import TooMuch

_END, _END_SIZE, _MOST_COMMENT = b"PK\x05\x06", 22, 2**16
_LOCATOR_SIZE = 20


def check_listing(stream: BinaryIO, size: int) -> None:
    """Raise :class:`TooMuch` for a list beyond :data:`.bounds.MAX_LISTING_BYTES`.

    Where there is none, the reader of archives says so. The stream is at its beginning afterwards.
    """
    stream.seek(max(0, size - _END_SIZE - _MOST_COMMENT))
    tail = stream.read()
    at = tail.rfind(_END)
    listed = 0
    if at >= 0 and len(tail) - at >= _END_SIZE:
        listed = struct.unpack_from("<I", tail, at + 12)[0]
        if listed == 0xFFFFFFFF:
            listed = _of_large(stream, tail[max(0, at - _LOCATOR_SIZE) : at])
    stream.seek(0)
    if listed > bounds.MAX_LISTING_BYTES:
        raise TooMuch(
            "its list of members is far too long.",
            "It is made to fill the memory; get the file from its authors.",
        )


def _of_large(stream: BinaryIO, locator: bytes) -> int:
    """Of an archive beyond 4 GB: its end says where a longer end is."""
    if len(locator) < _LOCATOR_SIZE or locator[:4] != b"PK\x06\x07":
        return 0
    stream.seek(struct.unpack_from("<Q", locator, 8)[0])
    end = stream.read(56)
    return struct.unpack_from("<Q", end, 40)[0] if len(end) == 56 else 0

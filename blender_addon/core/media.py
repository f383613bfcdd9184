"""Is a rendered file whole? Blender reports success when a full disk cut it off (stdlib only)."""

from __future__ import annotations

from pathlib import Path

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB`\x82"


def png_is_complete(path: Path) -> bool:
    """Whether a PNG has its first and its last chunk."""
    with path.open("rb") as file:
        if file.read(len(_PNG_START)) != _PNG_START:
            return False
        size = path.stat().st_size
        file.seek(max(0, size - len(_PNG_END)))
        return file.read() == _PNG_END


def mp4_is_complete(path: Path) -> bool:
    """Whether an MP4's boxes (ISO/IEC 14496-12) fill the file and its index is among them.

    The index, ``moov``, is written after the pictures, so a cut file lacks it.
    """
    size = path.stat().st_size
    kinds = set()
    position = 0
    with path.open("rb") as file:
        while position + 8 <= size:
            file.seek(position)
            length = int.from_bytes(file.read(4), "big")
            kinds.add(file.read(4))
            if length == 1:  # a 64-bit length follows
                length = int.from_bytes(file.read(8), "big")
            elif length == 0:  # to the end of the file
                length = size - position
            if length < 8:
                return False
            position += length
    return position == size and {b"ftyp", b"moov", b"mdat"} <= kinds

"""Whole pictures and videos are told from cut ones."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest

from blender_addon.core.media import mp4_is_complete, png_is_complete


def box(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def long_box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 1) + kind + struct.pack(">Q", 16 + len(content)) + content


def chunk(kind: bytes, content: bytes) -> bytes:
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


PNG = b"".join(
    [
        b"\x89PNG\r\n\x1a\n",
        chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)),
        chunk(b"IDAT", zlib.compress(b"\0\1\2\3")),
        chunk(b"IEND", b""),
    ]
)
MP4 = box(b"ftyp", b"isom") + box(b"free") + box(b"mdat", b"x" * 99) + box(b"moov", b"y" * 50)


def check(path: Path, content: bytes, complete) -> bool:
    path.write_bytes(content)
    return complete(path)


@pytest.mark.parametrize("cut", [1, 3, 12, len(PNG) - 4, len(PNG)])
def test_cut_pictures(tmp_path: Path, cut: int) -> None:
    assert check(tmp_path / "a.png", PNG, png_is_complete)
    assert not check(tmp_path / "a.png", PNG[:-cut], png_is_complete)


@pytest.mark.parametrize("cut", [1, 50, 58, 100, len(MP4) - 5, len(MP4)])
def test_cut_videos(tmp_path: Path, cut: int) -> None:
    assert check(tmp_path / "a.mp4", MP4, mp4_is_complete)
    assert not check(tmp_path / "a.mp4", MP4[:-cut], mp4_is_complete)


def test_boxes_with_long_or_open_length(tmp_path: Path) -> None:
    start = box(b"ftyp", b"isom") + box(b"moov", b"y")
    assert check(tmp_path / "a.mp4", start + long_box(b"mdat", b"x" * 9), mp4_is_complete)
    assert check(tmp_path / "a.mp4", start + b"\0\0\0\0mdat" + b"x" * 9, mp4_is_complete)
    assert not check(tmp_path / "a.mp4", start + b"\0\0\0\3mdat", mp4_is_complete)


def test_other_files(tmp_path: Path) -> None:
    assert not check(tmp_path / "a", b"plain text, no video", mp4_is_complete)
    assert not check(tmp_path / "a", b"plain text, no picture", png_is_complete)

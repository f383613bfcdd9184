"""PyTorch files whose claims go beyond their bytes are refused in a sentence, and soon."""

from __future__ import annotations

import io
import pickle
import struct
import time
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from backend.errors import FormatError
from backend.motion.io import torch_file


def saved(content: object, **options: bool) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, **options)
    return stream.getvalue()


def with_pickle(data: bytes) -> bytes:
    """An archive of ``torch.save`` with another pickle in it."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(saved({}))) as old,
        zipfile.ZipFile(stream, "w") as new,
    ):
        for member in old.infolist():
            content = data if member.filename.endswith("data.pkl") else old.read(member)
            new.writestr(member.filename, content)
    return stream.getvalue()


def twice(step: bytes, begin: bytes, count: int = 60) -> bytes:
    """A pickle of parts that hold the part before twice."""
    body = begin
    for n in range(count):
        place = bytes([n])
        body += b"q" + place + step.replace(b"PART", b"h" + place)
    return b"\x80\x02" + body + b"."


def squeezed() -> bytes:
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(saved({"a": torch.zeros(2**26)}))) as old,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for member in old.infolist():
            new.writestr(member.filename, old.read(member))
    return stream.getvalue()


def holding_itself() -> bytes:
    loop: list[object] = []
    loop.append(loop)
    return with_pickle(pickle.dumps(loop, 2))


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "an archive that unpacks to 256 MB": (squeezed, "unpacks to far more"),
    "a tensor of one number in 10^12 places": (
        lambda: saved({"a": torch.zeros(1).expand(10**6, 10**6)}),
        "claim far more numbers",
    ),
    "one storage under many names": (
        lambda: saved({str(n): a for a in [torch.zeros(2**20)] for n in range(100)}),
        "claim far more numbers",
    ),
    "tuples in tuples as a key": (
        lambda: with_pickle(b"\x80\x02}" + twice(b"PART\x86", b"K\x01")[2:-1] + b"K\x01s."),
        "made of too many parts",
    ),
    "a tuple 100,000 deep as a key": (
        lambda: with_pickle(b"\x80\x02})" + b"\x85" * 100_000 + b"K\x01s."),
        "made of too many parts",
    ),
    "dictionaries in dictionaries": (
        lambda: with_pickle(twice(b"0}(X\x01\x00\x00\x00aPARTX\x01\x00\x00\x00bPARTu", b"}")),
        "named far too often",
    ),
    "lists in lists": (lambda: with_pickle(twice(b"0](PARTPARTe", b"]")), "named far too often"),
    "lists 1,000 deep": (
        lambda: with_pickle(b"\x80\x02" + b"]" * 1000 + b"a" * 999 + b"."),
        "nested too deeply",
    ),
    "a list that holds itself": (holding_itself, "holds itself"),
    "a memo place beyond the file": (lambda: with_pickle(b"\x80\x02}r\xff\xff\xff\xff."), "memo"),
    "a text beyond the file": (
        lambda: with_pickle(b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"."),
        "not a readable pickle",
    ),
    "an older file with tuples in tuples as a key": (
        lambda: b"\x80\x02}" + twice(b"PART\x86", b"K\x01")[2:-1] + b"K\x01s.",
        "made of too many parts",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_soon(tmp_path: Path, name: str) -> None:
    make, said = HOSTILE[name]
    path = tmp_path / "a.pt"
    path.write_bytes(make())
    started = time.process_time()
    with pytest.raises(FormatError, match=said) as caught:
        torch_file.load(path)
    assert caught.value.hint and time.process_time() - started < 10


def test_a_cut_archive_is_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(saved({"a": torch.ones(1000)})[:2000])
    with pytest.raises(FormatError, match="zip"):
        torch_file.load(path)


@pytest.mark.parametrize("zipped", [True, False])
def test_what_training_programs_save_is_read(tmp_path: Path, zipped: bool) -> None:
    net = torch.nn.TransformerEncoderLayer(8, 2, 16)
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.ones(3, 1, 8)).sum().backward()
    optimizer.step()
    content = {
        "model": net.state_dict(),
        "average": OrderedDict(net.state_dict()),
        "optimizer": optimizer.state_dict(),
        "view": torch.arange(6.0).view(2, 3).T,
        "whole": torch.arange(5),
        "step": 3,
    }
    path = tmp_path / "a.pt"
    path.write_bytes(saved(content, _use_new_zipfile_serialization=zipped))
    found = torch_file.load(path)
    assert found["step"] == 3 and torch.equal(found["view"], content["view"])  # type: ignore[arg-type]
    for name, value in net.state_dict().items():
        assert torch.equal(found["model"][name], value)
    assert found["optimizer"]["param_groups"][0]["params"] == list(range(12))

"""OpenAI's own CLIP file, a TorchScript archive: its weights are read, its program is not run."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from backend.errors import ArtifactError
from backend.text import clip
from backend.text.clip import ClipTextEncoder
from backend.text.clip_openai import FILE, read_tensors
from tests.clip_files import tiny_tower, write_clip, write_vocabulary


class _Program(nn.Module):
    """The attributes of a module under a program of its own."""

    def __init__(self, source: nn.Module) -> None:
        super().__init__()
        for name, value in source.named_parameters(recurse=False):
            self.register_parameter(name, value)
        for name, child in source.named_children():
            self.add_module(name, _Program(child))

    def forward(self, x: Tensor) -> Tensor:
        return x


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The tiny tower in half precision with an image half, as a TorchScript archive."""
    whole = nn.Module()
    tower = tiny_tower()
    for name, child in tower.named_children():
        whole.add_module(name, child)
    for name, value in tower.named_parameters(recurse=False):
        whole.register_parameter(name, value)
    whole.logit_scale = nn.Parameter(torch.tensor(4.6))
    whole.visual = nn.Linear(2, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(_Program(whole).half()).save(str(tmp_path / FILE))
    write_vocabulary(tmp_path)
    return tmp_path


def test_the_encoder_is_that_of_the_weights(folder: Path, tmp_path: Path) -> None:
    assert clip.has_weights(folder)
    encoder = ClipTextEncoder.load(folder, local_files_only=True)
    other = ClipTextEncoder.load(write_clip(tmp_path / "other"), local_files_only=True)
    captions = ["a walk", "walks, then walks"]
    assert (encoder.encode(captions) - other.encode(captions)).abs().max() < 5e-3
    expected = {k: v.half().float() for k, v in tiny_tower().state_dict().items()}
    read = read_tensors(folder / FILE)
    assert {k for k in read if k not in expected} == {"logit_scale", "visual.weight", "visual.bias"}
    assert all(torch.equal(read[name], value) for name, value in expected.items())


def rewrite(path: Path, change: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            ending = next((e for e in change if name.endswith(e)), None)
            archive.writestr(name, data if ending is None else change[ending])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"/data.pkl": b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R."},
            r"system, which could run",
        ),
        ({"/data.pkl": b"\x80\x02}."}, "holds no CLIP"),
        ({"/data/0": b"\0\0"}, "was run"),
    ],
)
def test_damage_and_code_are_refused(folder: Path, change: dict[str, bytes], told: str) -> None:
    rewrite(folder / FILE, change)
    with pytest.raises(ArtifactError, match=told):
        ClipTextEncoder.load(folder, local_files_only=True)


def test_a_file_that_is_no_archive(folder: Path) -> None:
    (folder / FILE).write_bytes(b"no archive")
    with pytest.raises(ArtifactError, match="Nothing of it was run"):
        read_tensors(folder / FILE)

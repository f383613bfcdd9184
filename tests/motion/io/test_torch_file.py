"""PyTorch files whose claims go beyond their bytes are refused in a sentence, and soon."""

from __future__ import annotations

import time
from collections import OrderedDict
from pathlib import Path

import pytest
import torch

from backend.errors import FormatError
from backend.motion.io import torch_file
from tests.hostile_files import HOSTILE_ARCHIVES, saved


@pytest.mark.parametrize("name", HOSTILE_ARCHIVES)
def test_hostile_files_are_refused_soon(tmp_path: Path, name: str) -> None:
    make, said = HOSTILE_ARCHIVES[name]
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

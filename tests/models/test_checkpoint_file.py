"""Checkpoints of other programs: what is read, what is refused, and that nothing is run."""

from __future__ import annotations

import pickle
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from backend.errors import ArtifactError
from backend.store.checkpoint_file import load_checkpoint, unwrapped


class _Command:
    """Unpickling it makes a file."""

    def __init__(self, made: Path, function: Callable[..., Any]) -> None:
        self.made, self.function = made, function

    def __reduce__(self) -> Any:
        if self.function is eval:
            return eval, (f"open({str(self.made)!r}, 'w')",)
        return self.function, (["touch", str(self.made)],)


def _archive(content: Any, path: Path) -> None:
    torch.save(content, path)


def _old(content: Any, path: Path) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


def _bare(content: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(content))


def _bare_old(content: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(content, protocol=2))


@pytest.mark.parametrize("write", [_archive, _old, _bare, _bare_old])
@pytest.mark.parametrize("function", [subprocess.check_call, eval])
@pytest.mark.parametrize("stand_ins", [False, True])
def test_code_is_not_run_and_the_message_says_so(
    tmp_path: Path, write: Callable[..., None], function: Callable[..., Any], stand_ins: bool
) -> None:
    made, path = tmp_path / "made", tmp_path / "model.pt"
    write({"model": _Command(made, function), "x": torch.ones(2)}, path)
    with pytest.raises(ArtifactError, match="could run code; it was refused"):
        load_checkpoint(path, stand_ins=stand_ins)
    assert not made.exists()


def test_training_settings_beside_the_tensors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = types.ModuleType("settings_of_training")

    class Settings(dict):  # type: ignore[type-arg]
        pass

    class Trainer:
        pass

    for made in (Settings, Trainer):
        made.__module__, made.__qualname__ = module.__name__, made.__name__
        setattr(module, made.__name__, made)
    trainer = Trainer()
    trainer.epoch = 3  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    path = tmp_path / "model.tar"
    content = {"state_dict": {"w": torch.arange(3.0)}, "hparams": Settings(a=1), "p": tmp_path}
    torch.save({**content, "trainer": trainer, "kinds": [Trainer, dict]}, path)
    monkeypatch.delitem(sys.modules, module.__name__)

    read = load_checkpoint(path, stand_ins=True)
    assert torch.equal(read["state_dict"]["w"], torch.arange(3.0))
    with pytest.raises(ArtifactError, match=r"settings_of_training\.(Settings|Trainer)"):
        load_checkpoint(path)


def test_numpy_values_are_read_with_stand_ins_too(tmp_path: Path) -> None:
    path = tmp_path / "model.tar"
    torch.save({"fid": np.float64(0.25), "mean": np.arange(3.0)}, path)
    read = load_checkpoint(path, stand_ins=True)
    assert read["fid"] == 0.25 and np.array_equal(read["mean"], np.arange(3.0))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"hello", b"\x80\x04N."])
def test_damage_is_called_damage(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="damaged, truncated or no PyTorch checkpoint"):
        load_checkpoint(path)


def test_wrapper_prefixes_are_taken_off_only_where_every_name_has_them() -> None:
    assert unwrapped({"module._orig_mod.a.b": 1, "module._orig_mod.c": 2}) == {"a.b": 1, "c": 2}
    mixed = {"module.a": 1, "b": 2}
    assert unwrapped(mixed) == mixed
    assert unwrapped({}) == {}

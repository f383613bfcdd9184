"""DistilBERT's files: what is loaded, quietly, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertTokenizerFast, DistilBertConfig, DistilBertForMaskedLM

from backend.errors import ArtifactError
from backend.text.distilbert import DistilBertEncoder

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "walk", "an", "old", "man"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As the hub has it: with the language head, which nothing here uses."""
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    torch.manual_seed(1)
    sizes = {"n_layers": 1, "n_heads": 2, "dim": 16, "hidden_dim": 16, "vocab_size": len(WORDS)}
    DistilBertForMaskedLM(DistilBertConfig(**sizes)).save_pretrained(tmp_path)
    BertTokenizerFast(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    return tmp_path


def change(folder: Path, value: torch.Tensor | None) -> None:
    """Replace one matrix of the encoder, or leave it out."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    name = next(n for n in tensors if n.endswith("q_lin.weight"))
    del tensors[name]
    save_file(tensors if value is None else {**tensors, name: value}, path, {"format": "pt"})


def test_loading_says_nothing(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    encoder = DistilBertEncoder.load(folder, local_files_only=True)
    printed = capfd.readouterr()
    assert printed.out == printed.err == ""
    states, padding = encoder.encode(["an old man", "walk"])
    assert states.shape == (5, 2, 16) and padding.sum() == 2


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "missing layers.0.query.weight"),
        (torch.full((16, 16), float("nan")), "q_lin.weight holds NaN"),
    ],
)
def test_weights_that_are_not_all_there(
    folder: Path, value: torch.Tensor | None, problem: str
) -> None:
    change(folder, value)
    with pytest.raises(ArtifactError) as caught:
        DistilBertEncoder.load(folder, local_files_only=True)
    assert problem in caught.value.message


def test_weights_of_another_shape(folder: Path) -> None:
    change(folder, torch.zeros(8, 16))
    with pytest.raises(ArtifactError):
        DistilBertEncoder.load(folder, local_files_only=True)


def test_saved_files_are_as_readable_as_each_other(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    encoder = DistilBertEncoder.load(folder, local_files_only=True)
    capfd.readouterr()
    names = encoder.save(tmp_path / "model")
    assert capfd.readouterr().err == ""
    place = tmp_path / "model" / "distilbert"
    assert set(names) == {f"distilbert/{path.name}" for path in place.iterdir()}
    assert len({path.stat().st_mode for path in place.iterdir()}) == 1
    again = DistilBertEncoder.load(tmp_path / "model", local_files_only=True)
    assert torch.equal(again.encode(["walk"])[0], encoder.encode(["walk"])[0])

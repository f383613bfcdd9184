"""Evaluators from folders as they are published, against outputs of Motius @50cf750."""

from __future__ import annotations

import json
import shutil
import sys
import types
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from backend.evaluation.evaluators import (
    HumanML263Evaluator,
    MotionCLIP135Evaluator,
    MotionStreamer272Evaluator,
)
from backend.evaluation.words import frame_tokens, tokenise


@pytest.fixture
def motius(kit: Path) -> Path:
    return kit / "motius"


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def numbered(found: dict[str, np.ndarray], name: str = "motion") -> list[np.ndarray]:
    count = sum(key.startswith(name) and key[len(name) :].isdigit() for key in found)
    return [found[f"{name}{i}"] for i in range(count)]


def by_rule(name: str, shape: list[int]) -> torch.Tensor:
    """A tensor of the HumanML3D evaluator, as the manifest makes it."""
    values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if len(shape) > 1:
        values *= np.prod(shape[1:]) ** -0.5
    else:
        values = values * 0.1 + (1.0 if name.endswith("output_net.1.weight") else 0.0)
    return torch.from_numpy(values.astype(np.float32))


@pytest.fixture(scope="module")
def hml263(kit: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published folder of the HumanML3D evaluator, at full size."""
    folder = tmp_path_factory.mktemp("evaluator") / "hml263"
    shutil.copytree(kit / "motius" / "hml263_artifact_files", folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    shapes = json.loads((kit / "motius" / "hml263_tensor_shapes.json").read_text())
    save_file({n: by_rule(n, s) for n, s in shapes.items()}, folder / "model.safetensors")
    golden = arrays(kit / "motius" / "hml263_golden.npz")
    (folder / "stats").mkdir()
    for name in ("mean", "std"):
        np.save(folder / "stats" / f"{name}.npy", golden[name])
    return folder


@pytest.fixture
def little_spacy(motius: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """spaCy as the golden's stand-in: part of speech and lemma of each word from a table."""
    found = json.loads((motius / "hml263_texts.json").read_text())
    table: dict[str, tuple[str, str]] = {}
    for caption, tokens in zip(found["captions"], found["tokens_without_frame"], strict=True):
        words = [w for w in caption.replace("-", "").split() if w.isalpha()]
        pairs = zip(words, (t.split("/") for t in tokens), strict=False)
        table |= {word: (lemma, tag) for word, (lemma, tag) in pairs}

    def token(word: str) -> types.SimpleNamespace:
        lemma, tag = table.get(word, (word, "PUNCT"))
        # a lemma keeps the capital here, so that lowering it is the product's work
        lemma = lemma.capitalize() if word[0].isupper() else lemma
        return types.SimpleNamespace(text=word, pos_=tag, lemma_=lemma)

    pipe = types.SimpleNamespace(
        pipe=lambda texts: [[token(w) for w in text.split()] for text in texts]
    )
    monkeypatch.setitem(sys.modules, "spacy", types.SimpleNamespace(load=lambda name: pipe))
    yield


def test_hml263_tokens(motius: Path, little_spacy: None) -> None:
    found = json.loads((motius / "hml263_texts.json").read_text())
    made = tokenise(found["captions"])
    assert [tokens[:20] for tokens in made] == found["tokens_without_frame"]
    assert [frame_tokens(tokens)[1] for tokens in made] == found["lengths_with_frame"]


def test_hml263_embeddings(motius: Path, hml263: Path, little_spacy: None) -> None:
    evaluator = HumanML263Evaluator.from_pretrained(hml263)
    golden = arrays(motius / "hml263_golden.npz")
    motions = numbered(golden)
    assert {len(m) for m in motions} >= {4, 8, 36, 43, 230}
    made = evaluator.embed_motions(motions)
    assert np.abs(made - golden["motion_embeddings"]).max() < 2e-5
    captions = json.loads((motius / "hml263_texts.json").read_text())["captions"]
    assert np.abs(evaluator.embed_texts(captions) - golden["text_embeddings"]).max() < 2e-5
    assert set(evaluator.hashes) >= {"model.safetensors", "stats/mean.npy"}


def test_ms272_embeddings(motius: Path) -> None:
    evaluator = MotionStreamer272Evaluator.from_pretrained(motius / "ms272_artifact")
    golden = arrays(motius / "ms272_golden.npz")
    motions = numbered(golden)
    assert {len(m) for m in motions} >= {24, 40, 61, 301}
    made = evaluator.embed_motions(motions)
    assert np.abs(made - golden["motion_embeddings"]).max() < 1e-5
    captions = [str(c) for c in golden["captions"]]
    assert np.abs(evaluator.embed_texts(captions) - golden["text_embeddings"]).max() < 1e-5


def test_motionclip_towers(motius: Path) -> None:
    net = MotionCLIP135Evaluator.from_pretrained(motius / "motionclip_artifact").net
    golden = {k: torch.from_numpy(v) for k, v in arrays(motius / "motionclip_golden.npz").items()}
    mask = golden["motion_mask"].bool()
    with torch.inference_mode():
        states = net.motion_model.states(golden["motion"], mask)
        found = {
            "motion_embeddings": net.embed_motion(golden["motion"], mask),
            "text_embeddings": net.embed_text(golden["ids"], golden["text_mask"].bool()),
            "motion_last_hidden_row0": states[0],
        }
    for name, made in found.items():
        assert (made - golden[name]).abs().max() < 1e-5, name

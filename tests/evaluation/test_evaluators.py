"""Evaluators from folders of the published layout, with small seeded weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import DistilBertConfig, DistilBertModel

from backend.errors import ArtifactError, FormatError
from backend.evaluation.evaluators import (
    HumanML263Evaluator,
    MotionCLIP135Evaluator,
    MotionStreamer272Evaluator,
    TMREvaluator,
)
from backend.evaluation.evaluators.parts import base
from backend.evaluation.evaluators.parts.actor import ActorConfig, ActorEncoder
from backend.evaluation.evaluators.parts.hml263_network import T2MEvaluator, T2MEvaluatorConfig
from backend.evaluation.evaluators.parts.motionclip135_network import MotionCLIP, TowerConfig
from backend.evaluation.hml3d_items import Caption
from backend.evaluation.words import TAGS
from backend.motion.representations import motion135

GLOVE = Path(__file__).parents[1] / "parity" / "golden" / "evaluators" / "glove"
CAPTIONS = [
    Caption("a person walks forward", ("a/DET", "person/NOUN", "walk/VERB", "forward/ADV")),
    Caption("he jumps", ("he/PRON", "jump/VERB")),
]


def random_motions(dim: int, lengths: tuple[int, ...] = (60, 97, 72)) -> list[np.ndarray]:
    rng = np.random.default_rng(dim)
    return [rng.normal(0, 0.1, (n, dim)).astype(np.float32) for n in lengths]


@pytest.fixture
def hml263(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    vectors = np.load(GLOVE / "our_vab_data.npy", allow_pickle=False)
    net = T2MEvaluator(T2MEvaluatorConfig(263, vectors.shape[1], len(TAGS), 12, 10, 14, 16, 18))
    folder = tmp_path / "t2m"
    (folder / "text_mot_match" / "model").mkdir(parents=True)
    sections = ("text_encoder", "motion_encoder", "movement_encoder")
    content = {name: getattr(net, name).state_dict() for name in sections}
    torch.save(content | {"epoch": 1}, folder / "text_mot_match" / "model" / "finest.tar")
    shutil.copytree(GLOVE, folder / "glove")
    std = np.full(263, 0.1, np.float32)
    std[:4] = 0.006
    np.save(folder / "t2m_mean.npy", np.zeros(263, np.float32))
    np.save(folder / "t2m_std.npy", std)
    return folder


@pytest.fixture
def distilbert() -> tuple[DistilBertModel, object]:
    config = DistilBertConfig(
        vocab_size=60, dim=24, n_heads=2, n_layers=1, hidden_dim=32, max_position_embeddings=32
    )
    torch.manual_seed(1)
    return DistilBertModel(config)


def save_distilbert(model: DistilBertModel, folder: Path) -> None:
    from transformers import DistilBertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    special, words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]", "a\nperson\nwalks\nforward\nhe\njumps"
    (folder / "vocab.txt").write_text(f"{special}\n{words}\n")
    model.save_pretrained(folder)
    DistilBertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)


def test_hml263_embeddings_do_not_depend_on_the_batch(hml263: Path) -> None:
    evaluator = HumanML263Evaluator.from_pretrained(hml263)
    motions = random_motions(263)
    together = evaluator.embed_motions(motions)
    apart = np.concatenate([evaluator.embed_motions([m]) for m in motions])
    assert together.shape == (3, 10) and np.abs(together - apart).max() < 1e-5
    texts = evaluator.embed_texts(CAPTIONS)
    assert texts.shape == (2, 10) and np.abs(texts[0] - texts[1]).max() > 1e-3
    assert set(evaluator.hashes) >= {"text_mot_match/model/finest.tar", "t2m_std.npy"}


def test_hml263_refuses_the_statistics_of_the_training_data(hml263: Path) -> None:
    np.save(hml263 / "t2m_std.npy", np.full(263, 0.15, np.float32))
    with pytest.raises(ArtifactError, match="training data") as caught:
        HumanML263Evaluator.from_pretrained(hml263)
    assert "t2m_mean.npy" in caught.value.hint


@pytest.mark.parametrize("missing", ["text_mot_match/model/finest.tar", "glove/our_vab_idx.pkl"])
def test_hml263_names_the_missing_file(hml263: Path, missing: str) -> None:
    (hml263 / missing).unlink()
    with pytest.raises(ArtifactError, match=Path(missing).name):
        HumanML263Evaluator.from_pretrained(hml263)


def test_a_wrong_checkpoint_is_refused_with_its_names(hml263: Path) -> None:
    path = hml263 / "text_mot_match" / "model" / "finest.tar"
    content = torch.load(path, weights_only=True)
    content["motion_encoder"]["surprise"] = torch.zeros(2)
    del content["motion_encoder"]["hidden"]
    torch.save(content, path)
    with pytest.raises(ArtifactError, match="hidden"):
        HumanML263Evaluator.from_pretrained(hml263)
    content["motion_encoder"]["hidden"] = torch.zeros(2, 1, 18)
    torch.save(content, path)
    with pytest.raises(ArtifactError, match="unexpected surprise"):
        HumanML263Evaluator.from_pretrained(hml263)
    path.write_bytes(b"no checkpoint")
    with pytest.raises(ArtifactError, match="cannot be read"):
        HumanML263Evaluator.from_pretrained(hml263)


def test_motions_of_another_representation_are_named(hml263: Path) -> None:
    evaluator = HumanML263Evaluator.from_pretrained(hml263)
    with pytest.raises(FormatError, match=r"ms272.*reads hml263"):
        evaluator.embed_motions(random_motions(272))
    with pytest.raises(FormatError, match="needs 4"):
        evaluator.embed_motions(random_motions(263, (3,)))
    bad = random_motions(263)
    bad[1][3, 3] = np.nan
    with pytest.raises(FormatError, match="motion 1"):
        evaluator.embed_motions(bad)
    assert not evaluator.looks_normalised(random_motions(263))
    assert evaluator.looks_normalised([m * 10 for m in random_motions(263)])


def test_ms272(tmp_path: Path, distilbert: DistilBertModel) -> None:
    torch.manual_seed(2)
    small = {"latent": 16, "layers": 2, "feed_forward": 32}
    state = {}
    for prefix, features in (("motionencoder", 272), ("textencoder", 24)):
        net = ActorEncoder(ActorConfig(features, **small)).state_dict()
        tokens = net.pop("tokens")
        names = {"mu_token": tokens[0], "logvar_token": tokens[1]}
        names["sequence_pos_encoding.pe"] = torch.zeros(5000, 1, 16)
        place = "skel_embedding" if features == 272 else "projection.1"
        for key, value in net.items():
            names[key.replace("projection", place)] = value
        state |= {f"{prefix}.{key}": value for key, value in names.items()}
    state["textencoder.text_model.embeddings.word_embeddings.weight"] = torch.zeros(3, 3)
    torch.save({"state_dict": state, "epoch": 99}, tmp_path / "epoch=99.ckpt")
    np.save(tmp_path / "Mean.npy", np.zeros(272, np.float32))
    np.save(tmp_path / "Std.npy", np.ones(272, np.float32))
    save_distilbert(distilbert, tmp_path / "distilbert")

    evaluator = MotionStreamer272Evaluator.from_pretrained(tmp_path, local_files_only=True)
    motions = random_motions(272)
    together = evaluator.embed_motions(motions)
    apart = np.concatenate([evaluator.embed_motions([m]) for m in motions])
    assert np.abs(together - apart).max() < 1e-5
    assert evaluator.embed_texts(CAPTIONS).shape == (2, 16)
    assert np.array_equal(evaluator.embed_texts([c.text for c in CAPTIONS]),
                          evaluator.embed_texts(CAPTIONS))  # fmt: skip
    with pytest.raises(TypeError, match="list of captions"):
        evaluator.embed_texts("a person walks")
    with pytest.raises(FormatError, match="hml263"):
        evaluator.embed_motions(random_motions(263))


def test_tmr(tmp_path: Path, distilbert: DistilBertModel) -> None:
    torch.manual_seed(3)
    (tmp_path / "last_weights").mkdir()
    for name, features in (("motion_encoder", 263), ("text_encoder", 24)):
        net = ActorEncoder(ActorConfig(features, latent=16, layers=2, feed_forward=32))
        torch.save(net.state_dict(), tmp_path / "last_weights" / f"{name}.pt")
    torch.save(torch.zeros(263), tmp_path / "mean.pt")
    torch.save(torch.ones(263), tmp_path / "std.pt")
    save_distilbert(distilbert, tmp_path / "distilbert")
    evaluator = TMREvaluator.from_pretrained(tmp_path, local_files_only=True)
    assert evaluator.embed_motions(random_motions(263)).shape == (3, 16)
    assert evaluator.embed_texts(CAPTIONS).shape == (2, 16)
    (tmp_path / "last_weights" / "text_encoder.pt").unlink()
    with pytest.raises(ArtifactError, match="text_encoder"):
        TMREvaluator.from_pretrained(tmp_path, local_files_only=True)


def test_motionclip135_reports_other_names(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    size = {"width": 16, "layers": 1, "heads": 2, "feed_forward": 32, "projection": 8}
    torch.manual_seed(4)
    net = MotionCLIP(
        TowerConfig(**size, inputs=50, positions=256), TowerConfig(**size, inputs=135, positions=50)
    )
    heads = {"num_attention_heads": 2}
    config = {"text_config": heads, "motion_config": heads, "projection_dim": 8}
    (tmp_path / "bundle_config.json").write_text(json.dumps(config))
    state = {k: v.contiguous() for k, v in net.state_dict().items()}
    save_file(state, tmp_path / "motionclip_model.safetensors")
    rotations = np.broadcast_to(np.eye(3), (40, 22, 3, 3))
    x = motion135.pack(np.zeros((40, 3)), rotations)
    with pytest.raises(ArtifactError, match="no statistics") as caught:
        MotionCLIP135Evaluator.from_pretrained(tmp_path).embed_motions([x])
    assert "mean_std.json" in caught.value.hint
    stats = {"mean": [0.0] * 135, "std": [1.0] * 135}
    (tmp_path / "mean_std.json").write_text(json.dumps(stats))

    evaluator = MotionCLIP135Evaluator.from_pretrained(tmp_path)
    assert evaluator.net.motion_model.encoder.layers[0].heads == 2
    column = evaluator.checked(x, "m")[0, 3:9]
    assert column.tolist() == [1, 0, 0, 0, 1, 0]
    together = evaluator.embed_motions([x, x[:30]])
    apart = np.concatenate([evaluator.embed_motions([m]) for m in (x, x[:30])])
    assert together.shape == (2, 8) and np.abs(together - apart).max() < 1e-5

    state["tower.other"] = state.pop("motion_model.post_layernorm.weight")
    save_file(state, tmp_path / "motionclip_model.safetensors")
    with pytest.raises(ArtifactError, match=r"post_layernorm\.weight.*tower\.other") as caught:
        MotionCLIP135Evaluator.from_pretrained(tmp_path)
    assert "tower.other" in caught.value.detail


def test_a_hostile_checkpoint_runs_nothing(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"x": Hostile()}, tmp_path / "bad.pt")
    with pytest.raises(ArtifactError, match="cannot be read as tensors"):
        base.read_checkpoint(tmp_path / "bad.pt")
    assert not (tmp_path / "ran").exists()

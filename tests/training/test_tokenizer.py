"""Training of the motion tokenizer: the codebook, a run and its resumption, the data folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.errors import ArtifactError, FormatError
from backend.models.motiongpt.vqvae import Codebook, MotionVQVAE, VQVAEConfig
from backend.motion.representations import hml263
from backend.training.loop import Training
from backend.training.tokenizer import data as tokenizer_data
from backend.training.tokenizer import recipe as tokenizer_recipe
from backend.training.tokenizer.codebook import CodebookTrainer
from backend.training.tokenizer.recipe import TokenizerRecipe, TokenizerTrainConfig

SMALL = TokenizerTrainConfig(
    model=VQVAEConfig(codes=8, code_dim=16, width=16, depth=1),
    window=16,
    batch=12,
    lr=5e-3,
    warmup=5,
    steps=12,
    eval_clips=2,
)


def training(
    run: Path, data: tokenizer_data.FeatureClips, config: TokenizerTrainConfig = SMALL
) -> Training:
    recipe = TokenizerRecipe(config, data)
    return Training(recipe, recipe.folder(run))


def features(frames: int, seed: int) -> np.ndarray:
    """A made-up walk-like sway, encoded."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames + 1)[:, None, None] / 20.0
    rest = np.random.default_rng(9).normal(size=(1, 22, 3)) * 0.3 + (0.0, 1.0, 0.0)
    sway = 0.05 * np.sin(2 * np.pi * (time + rng.uniform(size=(1, 22, 3))))
    return hml263.encode(rest + sway + time * (0.0, 0.0, 0.5)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hml3d")
    (root / "new_joint_vecs").mkdir()
    for index, frames in enumerate((30, 41, 12, 26, 33)):
        np.save(root / f"new_joint_vecs/{index:06d}.npy", features(frames, index))
    (root / "train.txt").write_text("000000\n000001\n000002\n")
    (root / "val.txt").write_text("000003\n000004\n")
    return root


@pytest.fixture
def data(folder: Path) -> tokenizer_data.FeatureClips:
    return tokenizer_data.load(folder, shortest=SMALL.window)


# ---------------------------------------------------------------- codebook


def test_codes_follow_their_tokens() -> None:
    torch.manual_seed(0)
    book = Codebook(2, 3)
    trainer = CodebookTrainer(book, decay=0.5)
    near, far = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[0.0, 9.0, 0.0]])
    trainer.start(torch.cat([near, far]))
    tokens = torch.cat([near + 1.0, far, far]).repeat(8, 1)
    for _ in range(30):
        perplexity = trainer.update(tokens, book.nearest(tokens))
    expected = {tuple((near + 1.0)[0].tolist()), tuple(far[0].tolist())}
    assert {tuple(round(v, 4) for v in row) for row in book.codebook.tolist()} == expected
    assert perplexity == pytest.approx(3 / 2 ** (2 / 3), rel=1e-4)


def test_unused_codes_move_to_tokens() -> None:
    torch.manual_seed(0)
    book = Codebook(4, 2)
    trainer = CodebookTrainer(book)
    trainer.start(torch.full((4, 2), 100.0))
    tokens = torch.randn(64, 2)
    ids = torch.zeros(64, dtype=torch.long)
    for _ in range(400):
        trainer.update(tokens, ids)
    for code in book.codebook[1:]:
        assert (tokens - code).norm(dim=1).min() < 1e-5
    assert (book.codebook[0] - tokens.mean(0)).norm() < 1.5


def test_fewer_tokens_than_codes() -> None:
    torch.manual_seed(0)
    trainer = CodebookTrainer(Codebook(10, 2))
    trainer.start(torch.randn(3, 2))
    assert trainer.started and len(torch.unique(trainer.codebook.codebook, dim=0)) == 10


# ---------------------------------------------------------------- a run


def test_error_falls_and_the_model_is_for_use(
    data: tokenizer_data.FeatureClips, tmp_path: Path
) -> None:
    # checked on what it learns from: two clips say nothing about others
    data = replace(data, val=data.train)
    trainer = training(tmp_path, data, replace(SMALL, steps=100))
    trainer.fit()
    recipe = trainer.recipe
    assert isinstance(recipe, TokenizerRecipe)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert rows[0]["step"] == 0 and rows[-1]["step"] == 100
    assert rows[-1]["smooth_l1"] < 0.8 * rows[0]["smooth_l1"]
    net, stats = tokenizer_recipe.load_tokenizer(tmp_path / "model")
    given, copy = tokenizer_recipe.reconstruct(net, stats, data.val[0])
    assert given.shape == copy.shape == (28, 263)
    assert tokenizer_recipe.evaluate(net, stats, list(data.val)) == recipe.measured[-1]


def test_a_resumed_run_is_the_same_run(data: tokenizer_data.FeatureClips, tmp_path: Path) -> None:
    whole = training(tmp_path / "whole", data)
    losses = [whole.train_step()["loss"] for _ in range(6)]
    first = training(tmp_path / "parts", data)
    begun = [first.train_step()["loss"] for _ in range(3)]
    first.save()
    torch.manual_seed(99)
    config = tokenizer_recipe.load_config(tmp_path / "parts")
    second = training(tmp_path / "parts", data, config)
    second.resume()
    assert begun + [second.train_step()["loss"] for _ in range(3)] == losses


def test_bad_resumption(data: tokenizer_data.FeatureClips, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"state\.pt"):
        training(tmp_path, data).resume()
    training(tmp_path, data).save()
    other = replace(SMALL, model=replace(SMALL.model, width=20))
    with pytest.raises(ArtifactError, match="cannot be resumed"):
        training(tmp_path, data, other).resume()


def test_odd_lengths_lose_their_remainder() -> None:
    net = MotionVQVAE(SMALL.model).eval()
    net.quantizer.codebook.normal_()
    for frames, tokens in ((20, 5), (21, 5), (27, 6)):
        ids = net.encode(torch.randn(2, frames, 263))
        assert ids.shape == (2, tokens)
        assert net.decode(ids).shape == (2, 4 * tokens, 263)


# ---------------------------------------------------------------- data


def test_short_clips_are_left_out(data: tokenizer_data.FeatureClips) -> None:
    assert [len(clip) for clip in data.train] == [30, 41]
    assert data.mean.shape == data.std.shape == (263,)


def test_windows_lie_inside_clips(data: tokenizer_data.FeatureClips) -> None:
    found = tokenizer_data.windows(data.train, 16, 50, np.random.default_rng(0))
    assert found.shape == (50, 16, 263)
    for window in found:
        assert any(
            np.array_equal(window, clip[start : start + 16])
            for clip in data.train
            for start in range(len(clip) - 15)
        )


def test_bad_folders(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no data set"):
        tokenizer_data.load(tmp_path, shortest=16)
    with pytest.raises(FormatError, match="no training clip of 500"):
        tokenizer_data.load(folder, shortest=500)
    (tmp_path / "new_joint_vecs").mkdir()
    with pytest.raises(FormatError, match=r"no train\.txt"):
        tokenizer_data.load(tmp_path, shortest=16)
    (tmp_path / "train.txt").write_text("a")
    with pytest.raises(FormatError, match=r"a\.npy cannot be read"):
        tokenizer_data.load(tmp_path, shortest=16)
    np.save(tmp_path / "new_joint_vecs/a.npy", np.zeros((20, 251)))
    with pytest.raises(FormatError, match=r"20, 251"):
        tokenizer_data.load(tmp_path, shortest=16)

"""The lab on made-up recordings: shared draws, training that goes on, samples, scores, pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.errors import InvalidRequest
from backend.evaluation.evaluators import StarterEvaluator
from backend.evaluation.evaluators.parts.starter_network import SentenceTMR, TMRConfig
from backend.motion import skeleton
from backend.motion.representations import motion135, smplrifke205
from backend.motion.rotations import rotation_about
from backend.store.model_folder import Stats
from backend.training.data import batches
from backend.training.data.dataset import Item, MotionDataset
from backend.training.data.text_cache import CaptionEmbeddings
from scripts.lab import pictures, sampling, scores
from scripts.lab import train as training
from scripts.lab.plan import CONDITIONINGS, Plan, draws, reference_items
from scripts.lab.run import main, sampler_of

NETWORK = {
    "width": 16,
    "depth": 1,
    "heads": 2,
    "patch_frames": 4,
    "stem_width": 8,
    "adaln_rank": 4,
    "side_words": True,
    "max_frames": 64,
}
PLAN = Plan(
    steps=3,
    frames_per_batch=128,
    runs=2,
    samples=8,
    gallery=4,
    nearest=2,
    samplers=(("ddpm", 3), ("ddim", 3), ("ddim", 2)),
    network=NETWORK,
)
ACTIONS = {"walk": "left_hip", "bow": "right_shoulder"}


@pytest.fixture(scope="module")
def dataset() -> MotionDataset:
    rng = np.random.default_rng(0)
    items, features, start = [], [], 0
    for number in range(28):
        content, joint = list(ACTIONS.items())[number % 2]
        time = np.arange(40 + number) / 30
        rotations = np.tile(np.eye(3), (len(time), skeleton.NUM_JOINTS, 1, 1))
        angle = rng.uniform(0.5, 1.0) * np.sin(rng.uniform(2, 5) * time)
        rotations[:, skeleton.joint_index(joint)] = rotation_about("x", angle)
        rotations[:, 0] = rotation_about("y", 0.3 * np.sin(time))
        root = np.stack([0.2 * time, 0.92 + 0.02 * np.sin(4 * time), 0.4 * time], -1)
        x = smplrifke205.from_motion135(motion135.pack(root, rotations)).astype(np.float32)
        split = "val" if number >= 18 else "train"
        items.append(Item(str(number), split, start, len(x), number % 2, content=content))
        features.append(x)
        start += len(x)
    pools = (("somebody walks", "a walk"), ("a bow", "he bows"))
    empty = np.zeros((0, 135), np.float32)
    return MotionDataset(
        "smplrifke205", 20.0, np.concatenate(features), empty, (), tuple(items), pools
    )


@pytest.fixture(scope="module")
def text() -> CaptionEmbeddings:
    rng = np.random.default_rng(1)
    sentence = scores.unit(rng.normal(size=(4, 384))).astype(np.float32)
    return CaptionEmbeddings(
        sentence,
        np.zeros((4, 2), np.float32),
        np.zeros((4, 16), np.float32),
        np.arange(4),
        np.array([0, 2, 4]),
    )


@pytest.fixture(scope="module")
def evaluator(dataset: MotionDataset) -> StarterEvaluator:
    torch.manual_seed(0)
    shape = TMRConfig(latent=16, layers=1, feed_forward=16, text_hidden=16)
    stats = Stats(*map(torch.from_numpy, batches.feature_statistics(dataset)))
    return StarterEvaluator(SentenceTMR(shape), stats, hashes={"model.safetensors": "abc"})


def test_draws_are_shared_and_paired(dataset: MotionDataset, text: CaptionEmbeddings) -> None:
    first, again = draws(PLAN, dataset, text), draws(PLAN, dataset, text)
    assert [d.items for d in first] == [d.items for d in again]
    assert first[0].items != first[1].items
    for draw in first:
        assert len(set(draw.items)) == PLAN.samples
        for item, partner, words in zip(draw.items, draw.reference, draw.texts, strict=True):
            assert item.split == "val" and partner.split == "train"
            assert item.content == partner.content
            assert words in dataset.pools[item.pool]
    assert all(len(group) == 8 for group in reference_items(dataset, 0))
    with pytest.raises(InvalidRequest, match="10 validation items"):
        draws(Plan(samples=11), dataset, text)


def test_a_folder_belongs_to_one_plan(tmp_path: Path) -> None:
    PLAN.claim(tmp_path)
    PLAN.claim(tmp_path)
    with pytest.raises(InvalidRequest, match="another plan"):
        Plan(steps=4, network=NETWORK).claim(tmp_path)
    assert main(["--data", str(tmp_path), "--run", str(tmp_path)]) == 1


def test_scores_know_right_from_wrong() -> None:
    rng = np.random.default_rng(0)
    x = scores.unit(rng.normal(size=(8, 16)))
    right = scores.scores(x, x, x, x, PLAN)
    wrong = scores.scores(x, np.roll(x, 1, axis=0), x, x, PLAN)
    assert right["R1"] == 1 and wrong["R1"] == 0
    assert right["TMR-Score"] == pytest.approx(1)
    assert wrong["TMR-Score"] < 0.9
    assert right["FD_TMR"] == pytest.approx(0, abs=1e-6)
    assert right["precision"] == right["coverage"] == 1


def test_the_lab_from_training_to_the_table(
    dataset: MotionDataset, text: CaptionEmbeddings, evaluator: StarterEvaluator, tmp_path: Path
) -> None:
    torch.set_num_threads(1)
    stats = batches.feature_statistics(dataset)
    runs = draws(PLAN, dataset, text)
    for conditioning in CONDITIONINGS:
        training.train(PLAN, conditioning, tmp_path, dataset, text, stats)
        assert training.finished(training.run_folder(tmp_path, conditioning), PLAN)
        training.record(tmp_path, conditioning, dataset, text)
        found = json.loads(
            (training.run_folder(tmp_path, conditioning) / "validation.json").read_text("utf-8")
        )
        assert 0 < found["own"] < 3

    sampling.sample_all(PLAN, tmp_path, runs, text, CONDITIONINGS[1:], backwards=True)
    assert sampling.complete(PLAN, tmp_path, runs) == []
    model = ("adaln", "ddim", 3)
    kept = sampling.sample_file(tmp_path, model, 0)
    before = kept.stat().st_mtime_ns
    sampling.sample_all(PLAN, tmp_path, runs, text, CONDITIONINGS)
    assert kept.stat().st_mtime_ns == before, "what is there is not made again"
    assert sampling.complete(PLAN, tmp_path, runs) == runs
    clips = sampling.read_samples(tmp_path, model, runs[0])
    net, mean, std, _ = training.load(tmp_path, "adaln")
    made = sampling.generate(net, mean, std, runs[0], text, PLAN, "ddim", 3)
    for clip, x, item in zip(clips, made, runs[0].items, strict=True):
        assert len(clip) == item.length
        np.testing.assert_allclose(clip, x, atol=1e-6)

    scorer = scores.Scorer(PLAN, tmp_path, evaluator, dataset, text, runs)
    rows = scorer.real_rows() | scorer.model_rows()
    assert next(iter(rows)) == scores.GT and len(rows) == 3 + 9
    assert all(len(values) == 2 for row in rows.values() for values in row.values())
    again = scores.Scorer(PLAN, tmp_path, evaluator, dataset, text, runs).model_rows()
    assert again[scores.label(model)] == rows[scores.label(model)]
    scores.write(rows, PLAN, tmp_path)
    written = (tmp_path / "table.md").read_text("utf-8").splitlines()
    assert written[2].startswith("| real, validation |") and "±" in written[2]
    assert any("cross-attention, DDIM 3 minus adaln, DDIM 3" in line for line in written)

    pictures.loss_curves(tmp_path, tmp_path / "loss.png")
    assert (tmp_path / "loss.png").stat().st_size > 5_000
    assert pictures.shown(runs[0], 3)


def test_samplers_are_named_with_their_steps() -> None:
    assert sampler_of("ddim:25") == ("ddim", 25)
    for wrong in ("ddim", "euler:20", "ddpm:x"):
        with pytest.raises(Exception, match="is not like"):
            sampler_of(wrong)

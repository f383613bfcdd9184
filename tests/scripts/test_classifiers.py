"""The classifiers learn what differs, refuse a frozen pose, and judge the same after a reload."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.models import motion_classifier as classifier
from backend.motion import skeleton
from backend.motion.representations import motion135, smplrifke205
from backend.motion.rotations import rotation_about
from backend.training.data.dataset import Clip, Item, MotionDataset
from scripts.starter import scoring, sources
from scripts.starter.labels import STATIC
from scripts.starter.prompts import Sample
from scripts.starter.real_takes import load_takes
from scripts.starter.train_classifiers import Recipe, train

MOVES = {"raise-up-left-hand": "left_shoulder", "raise-up-right-hand": "right_shoulder"}


def arm_raise(joint: str, rng: np.random.Generator, frames: int = 60) -> np.ndarray:
    """One arm goes up and down, at a random pace and height."""
    time = np.arange(frames) / 30
    angle = rng.uniform(0.9, 1.4) * np.sin(rng.uniform(0.7, 1.3) * np.pi * time) ** 2
    rotations = np.tile(np.eye(3), (frames, skeleton.NUM_JOINTS, 1, 1))
    sign = 1 if joint.startswith("left") else -1
    rotations[:, skeleton.joint_index(joint)] = rotation_about("z", sign * angle)
    return motion135.pack(np.tile([0.0, 0.92, 0.0], (frames, 1)), rotations).astype(np.float32)


@pytest.fixture(scope="module")
def dataset() -> MotionDataset:
    rng = np.random.default_rng(0)
    clips, items, motion, features = [], [], [], []
    rows = native_rows = 0
    for number in range(24):
        content, joint = list(MOVES.items())[number % 2]
        split = "val" if number >= 16 else "train"
        x = arm_raise(joint, rng)
        native = smplrifke205.from_motion135(x)
        name = f"dataset-2_{content}_{number}"
        clips.append(Clip(name, split, rows, len(x), content, "normal"))
        items.append(
            Item(name, split, native_rows, len(native), 0, content=content, style="normal")
        )
        motion.append(x)
        features.append(native)
        rows, native_rows = rows + len(x), native_rows + len(native)
    return MotionDataset(
        "smplrifke205",
        20.0,
        np.concatenate(features),
        np.concatenate(motion),
        tuple(clips),
        tuple(items),
        (("a person raises a hand.",),),
    )


@pytest.fixture(scope="module")
def judge(dataset: MotionDataset) -> classifier.MotionClassifier:
    torch.set_num_threads(1)
    recipe = Recipe("content", steps=120, batch=24, static_share=0.3)
    return train(load_takes(dataset, "train"), recipe)


def samples_of(dataset: MotionDataset) -> list[Sample]:
    return [
        Sample("val", "0", "", frozenset([i.content]), None, i.length, 0, i)
        for i in dataset.items
        if i.split == "val"
    ]


def share_right(
    judge: classifier.MotionClassifier, dataset: MotionDataset, kind: str
) -> tuple[float, list[str]]:
    samples = samples_of(dataset)
    made = sources.from_real(kind, dataset, samples).motions
    found = classifier.predict(judge, [classifier.base(m) for m in made]).names
    right = [a in s.contents for a, s in zip(found, samples, strict=True)]
    return float(np.mean(right)), found


def test_real_clips_are_recognised_and_frozen_ones_are_not(
    judge: classifier.MotionClassifier, dataset: MotionDataset
) -> None:
    assert share_right(judge, dataset, "real")[0] == 1.0
    frozen, answers = share_right(judge, dataset, "frozen")
    assert frozen <= 0.25 and answers.count(STATIC) >= 6


def test_shuffled_clips_are_recognised_as_often_as_their_labels_agree(
    judge: classifier.MotionClassifier, dataset: MotionDataset
) -> None:
    samples = samples_of(dataset)
    made = sources.from_real("shuffled", dataset, samples, seed=1).motions
    real = sources.from_real("real", dataset, samples).motions
    which = [next(j for j, r in enumerate(real) if np.array_equal(r, m)) for m in made]
    agree = np.mean(
        [samples[j].contents == s.contents for j, s in zip(which, samples, strict=True)]
    )
    found = classifier.predict(judge, [classifier.base(m) for m in made]).names
    right = [a in s.contents for a, s in zip(found, samples, strict=True)]
    assert np.mean(right) == agree < 1.0


def test_predictions_do_not_depend_on_the_batch_and_survive_a_reload(
    judge: classifier.MotionClassifier, dataset: MotionDataset, tmp_path: Path
) -> None:
    clips = [
        classifier.base(dataset.item_features(i))[: 20 + k] for k, i in enumerate(dataset.items[:9])
    ]
    together = classifier.predict(judge, clips)
    alone = [classifier.predict(judge, [c]).probabilities[0] for c in clips]
    assert np.abs(together.probabilities - np.array(alone)).max() < 1e-5
    classifier.save(judge, tmp_path / "content")
    again = classifier.predict(classifier.load(tmp_path / "content"), clips)
    assert np.array_equal(again.probabilities, together.probabilities)


def test_frechet_distance_of_gaussians_with_a_closed_form() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((500, 6))
    shift, scale = np.arange(6) / 10, 1.5
    a, b = x, x * scale + shift
    mean = ((a.mean(0) - b.mean(0)) ** 2).sum()
    spread = np.trace(np.cov(x, rowvar=False)) * (1 - scale) ** 2
    assert scoring.frechet(a, b) == pytest.approx(mean + spread)
    assert scoring.frechet(a, a) == pytest.approx(0, abs=1e-9)

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.errors import InvalidRequest
from backend.models.dit import DiTConfig
from backend.text.actions import ACTION_WORDS
from backend.training.data.batches import BatchSampler, SamplingConfig, feature_statistics
from backend.training.data.dataset import Item, MotionDataset
from backend.training.data.text_cache import CaptionEmbeddings
from backend.training.dit.recipe import DiTRecipe, TrainConfig
from backend.training.loop import Training

FLAGS = len(ACTION_WORDS)
PATTERN = np.array([1.0, 0.0, 1.0] + [0.0] * (FLAGS - 3), np.float32)


def _trainer(run: Path, drop_words: float) -> Training:
    """Of a data set whose every caption names the words of PATTERN."""
    features = np.random.default_rng(0).normal(size=(200, 205)).astype(np.float32)
    items = tuple(Item("clip", "train", 40 * k, 40, 0, content="walk") for k in range(5))
    data = MotionDataset(
        "smplrifke205", 20.0, features, np.zeros((1, 135), np.float32), (), items, (("a",),)
    )
    text = CaptionEmbeddings(
        np.eye(1, 384, dtype=np.float32),
        np.zeros((1, 2), np.float32),
        PATTERN[None],
        np.array([0]),
        np.array([0, 1]),
    )
    config = TrainConfig(
        model=DiTConfig(width=32, depth=1, heads=2, stem_width=16, action_words=FLAGS),
        sampling=SamplingConfig(frames_per_batch=1600, bucket=2),
        schedule_steps=50,
        drop_words=drop_words,
    )
    sampler = BatchSampler(data, text, *feature_statistics(data), config.sampling, config.seed)
    recipe = DiTRecipe(config, sampler, precision="fp32")
    return Training(recipe, recipe.folder(run))


def _flags_that_the_network_sees(trainer: Training, steps: int) -> torch.Tensor:
    seen: list[torch.Tensor] = []
    trainer.recipe.net.register_forward_pre_hook(
        lambda _, given: seen.append(given[2]["actions"].clone())
    )
    for _ in range(steps):
        trainer.train_step()
    return torch.cat(seen)


@pytest.mark.parametrize(("drop_words", "kept"), [(0.0, 1.0), (1.0, 0.0)])
def test_all_or_none_of_the_action_words_are_dropped(
    tmp_path: Path, drop_words: float, kept: float
) -> None:
    seen = _flags_that_the_network_sees(_trainer(tmp_path, drop_words), 1)
    assert torch.equal(seen, kept * torch.from_numpy(PATTERN).expand(len(seen), -1))


def test_a_share_of_the_rows_loses_all_of_its_words(tmp_path: Path) -> None:
    seen = _flags_that_the_network_sees(_trainer(tmp_path, 0.5), 8)
    whole = (seen == torch.from_numpy(PATTERN)).all(1)
    empty = ~seen.any(1)
    assert bool((whole | empty).all())
    assert 0.35 < float(empty.float().mean()) < 0.65 and len(seen) > 200


@pytest.mark.parametrize("count", [1, FLAGS - 1, FLAGS + 1])
def test_a_network_for_other_action_words_is_refused(count: int) -> None:
    """The pipeline would not load it after hours of training."""
    values = TrainConfig(model=DiTConfig(action_words=FLAGS)).to_dict()
    values["model"]["action_words"] = count
    with pytest.raises(InvalidRequest) as raised:
        TrainConfig.from_dict(values)
    assert str(count) in raised.value.message and str(FLAGS) in raised.value.hint

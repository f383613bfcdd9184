from __future__ import annotations

import numpy as np
import pytest

from backend.training.data.batches import (
    FADE_FRAMES,
    BatchSampler,
    SamplingConfig,
    feature_statistics,
    item_weights,
    stitch,
)
from backend.training.data.dataset import Item, MotionDataset
from backend.training.data.text_cache import CaptionEmbeddings


def _item(content: str, start: int = 0, length: int = 40, split: str = "train") -> Item:
    return Item("clip", split, start, length, 0, content=content)


def _dataset(items: list[Item], rows: int) -> MotionDataset:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(rows, 205)).astype(np.float32).cumsum(0) * 0.05
    motion = np.zeros((1, 135), np.float32)
    return MotionDataset("smplrifke205", 20.0, features, motion, (), tuple(items), (("a", "b"),))


def _text() -> CaptionEmbeddings:
    sentence, sides = np.eye(2, 384, dtype=np.float32), np.zeros((2, 2), np.float32)
    actions = np.zeros((2, 16), np.float32)
    return CaptionEmbeddings(sentence, sides, actions, np.array([0, 1]), np.array([0, 2]))


def test_rare_contents_get_their_floor() -> None:
    items = [_item("walk")] * 400 + [_item("kick")]
    weights = item_weights(items, SamplingConfig(content_floor=0.05))
    assert weights.sum() == pytest.approx(1.0)
    assert weights[-1] == pytest.approx(0.05, rel=0.1)


def test_an_emphasised_content_is_drawn_that_much_more_often() -> None:
    items = [_item("walk", 40 * k) for k in range(4)]
    items += [_item("wave", 40 * k) for k in range(4, 8)]
    plain = item_weights(items, SamplingConfig())
    strong = item_weights(items, SamplingConfig(emphasis={"wave": 3.0}))
    assert plain[:4].sum() == pytest.approx(plain[4:].sum())
    assert strong[4:].sum() == pytest.approx(3.0 * strong[:4].sum())
    assert strong.sum() == pytest.approx(1.0)

    data = _dataset(items, 320)
    config = SamplingConfig(emphasis={"wave": 3.0}, crop=0.0, stitch=0.0, frames_per_batch=400)
    sampler = BatchSampler(data, _text(), *feature_statistics(data), config, seed=5)
    labels = np.concatenate([sampler.next().labels for _ in range(150)])
    assert (labels == 1).mean() == pytest.approx(0.75, abs=0.04)  # labels: walk 0, wave 1


def test_emphasis_stands_above_the_floor() -> None:
    items = [_item("walk")] * 400 + [_item("kick")]
    floor = item_weights(items, SamplingConfig(content_floor=0.05))
    twice = item_weights(items, SamplingConfig(content_floor=0.05, emphasis={"kick": 2.0}))
    ratios = [w[-1] / w[0] for w in (floor, twice)]
    assert ratios[1] == pytest.approx(2.0 * ratios[0])


def test_stitching_fades_between_two_takes() -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(size=(60, 205)).astype(np.float32)
    b = rng.normal(size=(50, 205)).astype(np.float32)
    a[52], b[7] = 0.0, 0.0  # the one pair of frames that is alike
    joined = stitch(a, b)
    assert np.array_equal(joined[:52], a[:52])
    assert np.array_equal(joined[52 + FADE_FRAMES :], b[7 + FADE_FRAMES :])
    assert len(joined) == 52 + len(b) - 7
    assert np.abs(joined[52]).max() < np.abs(b[8]).max()


def test_too_short_takes_are_not_stitched() -> None:
    a = np.zeros((20, 205), np.float32)
    assert stitch(a, a) is a


def test_batches_hold_only_training_items_within_the_frame_budget() -> None:
    items = [_item("walk", 40 * k, 30 + k) for k in range(8)]
    items.append(_item("secret", 320, 40, split="val"))
    data = _dataset(items, 400)
    data.features[320:] = 1e6
    mean, std = feature_statistics(data)
    config = SamplingConfig(frames_per_batch=200, bucket=2)
    sampler = BatchSampler(data, _text(), mean, std, config, seed=3)
    for _ in range(40):
        batch = sampler.next()
        assert batch.x.shape[0] * batch.x.shape[1] <= 200
        assert np.abs(batch.x).max() < 1e4
        for row, length in zip(batch.x, batch.lengths, strict=True):
            assert not row[length:].any() and row[length - 1].any()
    again = BatchSampler(data, _text(), mean, std, config, seed=3)
    assert np.array_equal(again.next().x, BatchSampler(
        data, _text(), mean, std, config, seed=3).next().x)  # fmt: skip


def test_statistics_share_a_scale_inside_a_group() -> None:
    data = _dataset([_item("walk", 0, 400)], 400)
    mean, std = feature_statistics(data)
    assert mean == pytest.approx(data.features.mean(0), abs=1e-4)
    assert std[1] == std[2] and len(set(std[4:10])) == 1
    assert std[4] == pytest.approx(np.sqrt(data.features[:, 4:10].var(0).mean()), rel=1e-4)

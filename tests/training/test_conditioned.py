from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.errors import ArtifactError
from backend.models.dit import DiT, DiTConfig
from backend.pipelines.dit.vocabulary import Vocabulary
from backend.training.data.batches import SamplingConfig, feature_statistics
from backend.training.data.conditioned import ConditionedSampler, item_shares, vocabulary_of
from backend.training.data.dataset import Item, MotionDataset
from backend.training.data.described_clips import build
from backend.training.data.made_examples import add_made
from backend.training.dit.conditions import ConditionConfig, condition_of
from backend.training.dit.recipe import DiTRecipe, TrainConfig
from backend.training.dit.weights import rows_by_name
from backend.training.loop import Training
from tests.training.described import text_of, written

SMALL = DiTConfig(width=32, depth=1, heads=2, stem_width=16, adaln_rank=8, context_width=16)
CONFIG = SamplingConfig(frames_per_batch=400, bucket=1, min_frames=10)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> MotionDataset:
    built = build(*written(tmp_path_factory.mktemp("clips")), phrases={"rest": ["lean back"]})
    return add_made(built, joined=4, seed=0)


def _sampler(data: MotionDataset) -> ConditionedSampler:
    words = vocabulary_of(data)
    return ConditionedSampler(data, text_of(data), *feature_statistics(data), CONFIG, 3, words)


def _trainer(run: Path, data: MotionDataset) -> Training:
    sampler = _sampler(data)
    words = sampler.vocabulary
    sizes = {"labels": len(words.labels), "styles": len(words.styles)}
    network = replace(SMALL, controls=len(words.controls), **sizes)
    config = TrainConfig(model=network, sampling=CONFIG, conditioned=True, schedule_steps=50)
    recipe = DiTRecipe(config, sampler, precision="fp32")
    return Training(recipe, recipe.folder(run))


def test_the_vocabulary_is_the_datas(data: MotionDataset) -> None:
    words = vocabulary_of(data)
    assert [label.name for label in words.labels] == ["glide", "idle", "rest"]
    glide = words.label("glide")
    assert (glide.clips, glide.takes) == (2, 2)
    assert glide.typical["speed"][0] == pytest.approx(0.6, abs=0.05)
    assert glide.typical["speed"][2] == pytest.approx(1.0, abs=0.05)
    assert words.styles == ("normal",)


def test_batches_hold_what_the_network_takes(data: MotionDataset) -> None:
    batch = _sampler(data).next()
    rows = len(batch.x)
    wishes = batch.wishes
    assert wishes["labels"].shape == (rows, 3) and np.allclose(wishes["labels"].sum(1), 1.0)
    assert wishes["styles"].tolist() == [[1.0]] * rows
    assert wishes["tokens"].shape[0] == rows
    # the tokens are those of the sentence: all of one row count the same caption
    captions = batch.sentence.argmax(1)
    assert np.array_equal(wishes["tokens"][:, 0, 0], captions)
    assert np.array_equal(wishes["token_mask"].sum(1), captions % 3 + 2)
    assert set(np.unique(wishes["controls_known"])) <= {0.0, 1.0}


def test_the_stream_goes_on_where_it_was_left(data: MotionDataset) -> None:
    one, two = _sampler(data), _sampler(data)
    for _ in range(7):
        one.next()
    two.restore(one.state())
    for _ in range(12):
        a, b = one.next(), two.next()
        assert np.array_equal(a.x, b.x) and np.array_equal(a.sentence, b.sentence)


def test_rare_labels_hand_keyed_and_joined_clips_get_their_shares() -> None:
    def item(label: str, source: str = "capture") -> Item:
        return Item("c", "train", 0, 40, 0, label=label, source=source)

    items = [item("walk")] * 100 + [item("bow")] + [item("walk", "hand-keyed")] * 100
    items += [item("walk+bow", "joined")] * 3
    config = SamplingConfig(balance=0.5, content_floor=0.1, hand_keyed=0.25, joined=0.2)
    shares = item_shares(items, config)
    assert shares.sum() == pytest.approx(1.0)
    assert shares[-3:].sum() == pytest.approx(0.2)
    assert shares[101] == pytest.approx(0.25 * shares[0])
    assert shares[100] == pytest.approx(0.8 * 0.1 / 1.1, rel=0.15)  # floored, then normalised


def test_parts_are_left_out_as_often_as_asked(data: MotionDataset) -> None:
    sampler = _sampler(data)
    generator = torch.Generator().manual_seed(0)
    config = ConditionConfig(text=0.5, labels=0.4, mixed=0.0, styles=0.3, controls=0.0)
    seen = [condition_of(sampler.next(), config, generator) for _ in range(120)]

    def share(parts: list[torch.Tensor]) -> float:
        return float(torch.cat(parts).float().mean())

    nameless = [y["labels"].sum(1) == 0 for y in seen]
    wordless = [~y["token_mask"].any(1) for y in seen]
    assert share(nameless) == pytest.approx(0.4, abs=0.05)
    assert share(wordless) == pytest.approx(0.5 * 0.6, abs=0.05)
    assert not any((a & b).any() for a, b in zip(nameless, wordless, strict=True))
    assert share([y["styles"].sum(1) == 0 for y in seen]) == pytest.approx(0.3, abs=0.05)
    for y in seen:
        assert bool((y["controls"][y["controls_known"] == 0] == 0).all())
        assert float(y["labels"].max()) <= 1.0


WRITTEN_BEFORE = {"step", "elapsed", "net", "ema", "optimizer", "mean", "std", "random", "sampler"}
"""What a state held before there was one loop for all trainings."""


@pytest.mark.parametrize("older", [False, True])
def test_a_run_goes_on_exactly_where_it_was_saved(
    tmp_path: Path, data: MotionDataset, older: bool
) -> None:
    trainer = _trainer(tmp_path, data)
    for _ in range(3):
        trainer.train_step()
    trainer.save()
    after = [trainer.train_step()["loss"] for _ in range(3)]
    if older:
        state = torch.load(tmp_path / "state.pt", weights_only=True)
        torch.save({name: state[name] for name in WRITTEN_BEFORE}, tmp_path / "state.pt")
    again = _trainer(tmp_path, data)
    again.resume()
    assert [again.train_step()["loss"] for _ in range(3)] == after
    assert trainer.recipe.average is not None and again.recipe.average is not None
    for name, value in trainer.recipe.average.weights.items():
        assert torch.equal(value, again.recipe.average.weights[name])


def test_a_state_holds_nothing_but_tensors_and_plain_values(
    tmp_path: Path, data: MotionDataset
) -> None:
    """So that it loads after the code has moved: no class is named in it."""
    trainer = _trainer(tmp_path, data)
    trainer.train_step()
    trainer.save()

    def plain(value: object) -> bool:
        if isinstance(value, dict):
            return all(plain(v) for v in value.values())
        if isinstance(value, list | tuple):
            return all(plain(v) for v in value)
        return value is None or isinstance(value, torch.Tensor | str | int | float | bool)

    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert plain({k: v for k, v in state.items() if k not in ("net", "ema")})
    assert all(isinstance(v, torch.Tensor) for k in ("net", "ema") for v in state[k].values())


def test_a_step_without_a_finite_gradient_changes_nothing_and_many_end_the_run(
    tmp_path: Path, data: MotionDataset
) -> None:
    trainer = _trainer(tmp_path, data)
    recipe = trainer.recipe
    assert isinstance(recipe, DiTRecipe)
    recipe.mean = recipe.mean * float("nan")
    before = {k: v.clone() for k, v in recipe.net.state_dict().items()}
    with pytest.raises(ArtifactError, match="diverged before step 21"):
        for _ in range(30):
            trainer.train_step()
    assert all(torch.equal(v, before[k]) for k, v in recipe.net.state_dict().items())


def test_weights_go_to_another_vocabulary_by_name() -> None:
    ours = Vocabulary.from_dict(_words(["bow", "sit", "walk"]))
    theirs = Vocabulary.from_dict(_words(["walk", "bow"]))
    old = DiT(replace(SMALL, labels=2, styles=1, controls=1))
    new = DiT(replace(SMALL, labels=3, styles=1, controls=1))
    fresh = new.state_dict()["wishes.labels.weight"].clone()
    rows_by_name(new, old.state_dict(), theirs, ours)
    before, after = old.wishes.labels.weight, new.wishes.labels.weight
    assert torch.equal(after[:, 2], before[:, 0]) and torch.equal(after[:, 0], before[:, 1])
    assert torch.equal(after[:, 1], fresh[:, 1])
    assert torch.equal(new.stem.weight, old.stem.weight)


def _words(labels: list[str]) -> dict[str, object]:
    return {
        "version": 1,
        "labels": [{"name": n, "clips": 1, "takes": 1} for n in labels],
        "styles": ["normal"],
        "controls": [{"name": "speed", "unit": "m/s", "meaning": "speed"}],
    }

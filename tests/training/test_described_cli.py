"""The whole route of described clips: npz and captions, dataset, training, model, more labels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.cli.main import main
from backend.pipelines.dit import DiTPipeline
from backend.pipelines.dit.candidates import STRIDE
from backend.pipelines.dit.judge import Judge
from backend.pipelines.dit.vocabulary import Vocabulary, Wish
from backend.pipelines.family import ASSETS
from backend.text.prompts.action_words import ActionWords
from backend.text.prompts.reader import PromptReader
from backend.training.data import text_cache
from backend.training.data.dataset import MotionDataset
from backend.wire.messages import Request

from .described import written

pytestmark = pytest.mark.timeout(600)

TINY = {
    "model": {
        "width": 32, "depth": 1, "heads": 2, "stem_width": 16, "adaln_rank": 8,
        "side_words": True, "context_width": 16, "patch_frames": 4,
    },
    "conditioned": True,
    "schedule_steps": 50,
    "sampling": {"frames_per_batch": 240, "bucket": 1, "min_frames": 10},
    "warmup": 5,
}  # fmt: skip
DETAILS = {"name": "own", "candidates": 3, "sampler": "dpmpp", "steps": 4, "guidance_scale": 1.0,
           "draft": {"sampler": "dpmpp", "steps": 2, "guidance_scale": 1.0}}  # fmt: skip


def _run(*arguments: object) -> None:
    assert main([str(a) for a in arguments]) == 0


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Datasets of all clips and of those of tier A, a run and a model of the latter."""
    folder = tmp_path_factory.mktemp("described")
    clips, captions, _ = written(folder)
    (folder / "tiny.json").write_text(json.dumps(TINY), encoding="utf-8")
    (folder / "details.json").write_text(json.dumps(DETAILS), encoding="utf-8")
    given = ("train", "data", "--clips", clips, "--captions", captions)
    _run(*given, "--only", "tier=A", "--joined", 2, "--out", folder / "a")
    _run(*given, "--with", folder / "a", "--out", folder / "all")
    run = ("--data", folder / "a", "--run", folder / "run", "--config", folder / "tiny.json")
    _run("train", "dit", *run, "--steps", 4, "--precision", "fp32")
    judge = folder / "judge"
    _run("train", "judge", "--data", folder / "a", "--run", judge, "--steps", 3, "--batch", 4)
    out = ("--out", folder / "model", "--details", folder / "details.json", "--judge", judge)
    _run("train", "export", "--run", folder / "run", "--data", folder / "a", *out)
    return folder


def test_a_dataset_taken_in_keeps_its_embeddings(work: Path) -> None:
    one, both = MotionDataset.load(work / "a"), MotionDataset.load(work / "all")
    before = text_cache.sentences_of(one.pools, text_cache.load(work / "a"))
    after = text_cache.sentences_of(both.pools, text_cache.load(work / "all"))
    assert set(before) < set(after)
    for sentence, (vector, states) in before.items():
        assert np.array_equal(vector, after[sentence][0])
        assert np.array_equal(states, after[sentence][1]) and len(states) >= 3


def test_the_model_has_its_words_and_makes_short_motions_whole(work: Path) -> None:
    model = DiTPipeline.from_pretrained(work / "model")
    assert model.vocabulary == Vocabulary.load(work / "run")
    assert model.config.draft is not None and model.config.draft.steps == 2
    made = model.generate(Request("glide upright", seconds=0.6, seed=1))
    assert made[0].data.shape == (18, 135)


def test_its_judge_chooses_among_candidates(work: Path) -> None:
    model = DiTPipeline.from_pretrained(work / "model")
    assert isinstance(model.judge, Judge)
    words = ActionWords.load(ASSETS / "starter")
    model.reader = PromptReader(words, model.encoder)
    request = Request("a person walks", seconds=2.0, seed=5, samples=2)
    label = "walk"
    looks = iter([0.01, 0.9, 0.8, 0.02, 0.01, 0.05])

    class Prefers(Judge):
        def probabilities(self, features: np.ndarray) -> dict[str, float]:
            return {label: next(looks)}

    model.judge = Prefers(model.judge._net)
    first, second = model.generate(request)
    model.judge = None
    for made, seed in ((first, 5 + STRIDE), (second, 6 + 2 * STRIDE)):
        alone = model.generate(replace(request, seed=seed, samples=1))[0]
        assert np.abs(made.data - alone.data).max() < 1e-5  # another composition of the batch
    assert not [n for n in first.meta["notices"] if n["kind"] == "doubt"]
    (doubt,) = [n for n in second.meta["notices"] if n["kind"] == "doubt"]
    assert doubt["made"] == "walk" and doubt["text"] in second.meta["warnings"]


def test_a_wish_changes_the_motion_and_the_reader_is_asked_for_it(work: Path) -> None:
    model = DiTPipeline.from_pretrained(work / "model")
    with_label = model.infer_t2m(["gliding"], [20], seed=1, wishes=[Wish({"rest": 1.0})])
    plain = model.infer_t2m(["gliding"], [20], seed=1)
    assert np.abs(with_label[0] - plain[0]).max() > 1e-6

    class Reader:
        def read_part(self, caption: str) -> Wish:
            assert caption == "gliding"
            return Wish({"rest": 1.0})

    model.reader = Reader()
    assert np.array_equal(model.infer_t2m(["gliding"], [20], seed=1)[0], with_label[0])


def test_a_model_goes_on_with_more_data(work: Path) -> None:
    run = ("--data", work / "all", "--run", work / "more", "--config", work / "tiny.json")
    options = ("--init", work / "model", "--steps", 2, "--precision", "fp32")
    _run("train", "dit", *run, *options)
    first, second = Vocabulary.load(work / "run"), Vocabulary.load(work / "more")
    assert second.controls == first.controls  # numbers mean what the weights learnt


def test_a_key_without_value_is_told(work: Path) -> None:
    clips, captions = work / "clips", work / "captions.json"
    given = ["train", "data", "--clips", clips, "--captions", captions, "--only", "tier"]
    assert main([*map(str, given), "--out", str(work / "no")]) != 0

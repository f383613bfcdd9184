"""The reader of prompts with the words that come with Kinetype."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from backend.errors import ArtifactError, MissingDependency
from backend.pipelines.family import ASSETS
from backend.text import minilm
from backend.text.prompts.action_words import HEADER, TENSORS, ActionWords, with_known
from backend.text.prompts.reader import PromptReader


@pytest.fixture(scope="module")
def encoder() -> minilm.MiniLMEncoder:
    try:
        return minilm.shared(local_files_only=True)
    except MissingDependency:
        pytest.skip("needs MiniLM")


@pytest.fixture(scope="module")
def every(encoder: minilm.MiniLMEncoder) -> PromptReader:
    words = ActionWords.load(ASSETS / "starter")
    return PromptReader(with_known(words, words.labels), encoder)


@pytest.mark.parametrize(
    ("prompt", "labels"),
    [
        ("an elderly woman lowers herself onto a bench", ["sit_down"]),
        ("walks and waves", ["walk", "wave"]),
        ("first sits down, afterwards stands up again", ["sit_down", "stand_up"]),
        ("does not run but walks", ["walk"]),
        ("falls down and gets up again", ["fall", "get_up"]),
        ("stops and stands still", ["idle"]),
        ("a persn wavs the rigt hand", ["wave"]),
        ("bye-bye with the left hand", ["bye"]),
        ("standing there, not moving at all", ["idle"]),
    ],
)
def test_actions_in_their_order(every: PromptReader, prompt: str, labels: list[str]) -> None:
    reading = every.read(prompt)
    assert [part.label for part in reading.parts] == labels
    assert not reading.unknown


@pytest.mark.parametrize("activity", ["juggling three balls", "skiing downhill", "ironing a shirt"])
@pytest.mark.parametrize(
    "form", ["{}", "a person is {}", "an old man is slowly {}", "walks forward and starts {}"]
)
def test_unknown_activities_are_named_in_every_form(
    every: PromptReader, activity: str, form: str
) -> None:
    (asked,) = every.read(form.format(activity)).unknown
    assert activity in asked.words or activity.split()[0] in asked.words
    assert asked.status == "unknown" and asked.label == "" and len(asked.nearest) == 3


def test_what_the_model_lacks_is_told_with_what_it_makes_instead(
    every: PromptReader, encoder: minilm.MiniLMEncoder
) -> None:
    small = PromptReader(with_known(every.words, ["walk", "kick"]), encoder)
    (asked,) = small.read("a person does a roundhouse kick").unknown
    assert (asked.status, asked.label, asked.meant) == ("near", "kick", "roundhouse_kick")
    (asked,) = small.read("a cartwheel").unknown
    assert (asked.status, asked.label, asked.meant) == ("unknown", "", "cartwheel")


@pytest.mark.parametrize(
    ("prompt", "finer", "plain"),
    [
        ("a person dashes", "dash", "run"),
        ("bye-bye with the left hand", "bye", "wave"),
        ("says goodbye with both hands", "byebye", "wave"),
    ],
)
def test_a_plain_label_stands_for_a_finer_one_that_the_model_lacks(
    every: PromptReader, encoder: minilm.MiniLMEncoder, prompt: str, finer: str, plain: str
) -> None:
    assert every.read(prompt).parts[0].label == finer
    small = PromptReader(with_known(every.words, ["walk", "run", "wave", "wave_both"]), encoder)
    reading = small.read(prompt)
    assert not reading.unknown and reading.parts[0].labels == {plain: 1.0}
    assert reading.parts[0].asked is not None and reading.parts[0].asked.label == plain
    lacks = PromptReader(with_known(every.words, ["walk", "kick"]), encoder)
    assert lacks.read(prompt).unknown, "neither is known"


def test_a_part_carries_what_a_model_is_asked_for(every: PromptReader) -> None:
    (part,) = every.read("an old man walks three steps backward very slowly").parts
    assert part.labels == {"walk_backward": 1.0}
    assert part.styles == {"elderly": 1.0}
    assert part.amounts.steps == 3 and part.controls["steps"] == 3.0
    assert part.controls["tempo"] == pytest.approx(-0.5108, abs=1e-3)
    part = every.read_part("walks two metres without swinging the arms")
    assert part.still == ("arms",) and part.controls["forward"] == 2.0


def test_corrections_are_told(every: PromptReader) -> None:
    assert every.read("jumpng up").corrections == (("jumpng", "jumping"),)


def tiny() -> ActionWords:
    rng = torch.Generator().manual_seed(0)

    def rand(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=rng)

    weights = {
        "hidden.weight": rand(2, 5, 4),
        "hidden.bias": rand(2, 5),
        "out.weight": rand(2, 3, 5),
        "out.bias": rand(2, 3),
    }
    return ActionWords(weights, ("bow", "walk"), frozenset({"walk"}), {"walk": 3}, 0.4, {"n": 1})


def test_words_are_saved_whole(tmp_path: Path) -> None:
    words = tiny()
    words.save(tmp_path)
    loaded = ActionWords.load(tmp_path)
    assert (loaded.labels, loaded.known, loaded.threshold) == (words.labels, words.known, 0.4)
    assert loaded.counts == {"walk": 3} and loaded.parameters == words.parameters
    x = torch.nn.functional.normalize(torch.ones(1, 4), dim=-1)
    torch.testing.assert_close(
        loaded.probabilities(x), words.probabilities(x), atol=1e-2, rtol=1e-2
    )
    assert float(loaded.probabilities(x).sum()) == pytest.approx(1.0)


def test_words_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    tiny().save(tmp_path)
    header = (tmp_path / HEADER).read_text()
    (tmp_path / HEADER).write_text(header.replace('"bow",', ""))
    with pytest.raises(ArtifactError, match="fit"):
        ActionWords.load(tmp_path)
    (tmp_path / HEADER).write_text(header.replace('"threshold"', '"treshold"'))
    with pytest.raises(ArtifactError, match="incomplete"):
        ActionWords.load(tmp_path)
    (tmp_path / HEADER).write_text(header)
    (tmp_path / TENSORS).unlink()
    with pytest.raises(ArtifactError):
        ActionWords.load(tmp_path)

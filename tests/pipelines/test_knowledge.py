from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.errors import ArtifactError, MissingDependency
from backend.pipelines.dit import knowledge
from backend.pipelines.dit.knowledge import Knowledge, build_knowledge, spread
from backend.text.minilm import MiniLMEncoder

CAPTIONS = {
    "walk": ["a person walks forward", "someone walks ahead", "a man is walking slowly", "walk"],
    "run": ["a person runs", "someone is running fast", "a man jogs", "sprint forward"],
    "bow": ["a person bows", "someone bows politely", "a man bends forward to bow"],
    "kick": ["a person kicks", "someone kicks with the right foot", "a kick"],
    "wave": ["a person waves", "someone waves with the left hand", "wave goodbye"],
}


@pytest.fixture(scope="module")
def encoder() -> MiniLMEncoder:
    try:
        return MiniLMEncoder.load(local_files_only=True)
    except MissingDependency as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def known(encoder: MiniLMEncoder) -> Knowledge:
    return build_knowledge(CAPTIONS, encoder)


def one(encoder: MiniLMEncoder, text: str) -> np.ndarray:
    return encoder.encode([text]).sentence[0].numpy()


def test_far_prompts_are_warned_about_and_near_ones_are_not(known, encoder) -> None:
    for text in ("a woman walks forward slowly", "somebody bows", "he kicks"):
        assert known.warning(text, one(encoder, text)) is None
    for text in ("the stock market fell", "someone is playing the piano"):
        warning = known.warning(text, one(encoder, text), "starter")
        assert warning is not None
        assert text in warning
        assert "starter" in warning
        assert any(label in warning for label in CAPTIONS)


def test_nearest_labels_come_first(known, encoder) -> None:
    labels = [label for label, _ in known.nearest(one(encoder, "a guy jogs down the road"))]
    assert labels[0] == "run"
    assert len(labels) == len(set(labels)) == 5


def test_calibration_says_its_error_rates(known) -> None:
    c = known.calibration
    assert c["known_prompts"] >= 40
    assert c["unknown_prompts"] >= 40
    assert 0.2 - knowledge.STRANGE_WORDS_COST < known.threshold < 0.8
    for key in ("false_alarms", "misses", "held_out_false_alarms", "held_out_misses"):
        assert 0 <= c[key] <= 1
    assert c["misses"] < 0.3


def test_round_trip(known, encoder, tmp_path: Path) -> None:
    known.save(tmp_path)
    again = Knowledge.load(tmp_path)
    assert again.labels == known.labels
    assert again.threshold == known.threshold
    assert again.stems == known.stems and "walk" in known.stems
    assert again.calibration == known.calibration
    np.testing.assert_allclose(again.embeddings, known.embeddings, atol=1e-6)
    np.testing.assert_array_equal(again.rows, known.rows)


def test_threshold_separates_when_it_can() -> None:
    base = Knowledge(np.eye(4, dtype=np.float32), np.arange(4), ("a", "b", "c", "d"))
    near = np.eye(4)[[0, 1, 2, 3]] * 0.9
    far = np.eye(4)[[0, 1, 2, 3]] * 0.2
    found = base.calibrated(near, far)
    assert 0.2 < found.threshold < 0.9
    assert found.calibration["false_alarms"] == found.calibration["misses"] == 0


def test_spread_keeps_different_captions() -> None:
    angles = np.array([0.0, 0.01, 0.02, 1.5, 1.51, 3.0])
    points = np.stack([np.cos(angles), np.sin(angles)], 1)
    chosen = sorted(spread(points, 3))
    assert {round(float(angles[i])) for i in chosen} == {0, 2, 3}
    assert spread(points, 10) == list(range(6))


@pytest.mark.parametrize("name", knowledge.KNOWLEDGE_FILES)
def test_a_missing_file_is_named(known, tmp_path: Path, name: str) -> None:
    known.save(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        Knowledge.load(tmp_path)


def test_files_that_do_not_fit_each_other(known, tmp_path: Path) -> None:
    known.save(tmp_path)
    path = tmp_path / knowledge.HEADER
    header = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**header, "labels": ["walk"]}), encoding="utf-8")
    with pytest.raises(ArtifactError, match="does not fit"):
        Knowledge.load(tmp_path)
    path.write_text(json.dumps({"labels": ["walk"]}), encoding="utf-8")
    with pytest.raises(ArtifactError, match="incomplete"):
        Knowledge.load(tmp_path)

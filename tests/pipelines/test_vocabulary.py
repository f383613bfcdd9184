from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.errors import ArtifactError, InvalidRequest
from backend.models.dit import DiTConfig
from backend.pipelines.dit.vocabulary import (
    Control,
    Label,
    Vocabulary,
    Wish,
    fitting,
    wish_rows,
)

WORDS = Vocabulary(
    (Label("sit_down", 3, 2, (1.0, 2.0, 3.0), {"speed": (0.1, 0.2, 0.3)}), Label("walk")),
    ("normal", "tired"),
    (Control("speed", "m/s", "how fast", 0.5, 0.25), Control("captured", "", "mocap", 0.5, 0.5)),
)


def test_it_comes_back_from_disk_as_it_was(tmp_path: Path) -> None:
    WORDS.save(tmp_path)
    assert Vocabulary.load(tmp_path) == WORDS


def test_names_become_columns_and_foreign_names_are_left_out() -> None:
    assert WORDS.labels_row({"walk": 0.7, "fly": 0.3}).tolist() == pytest.approx([0.0, 0.7])
    values, known = WORDS.controls_row({"speed": 1.0, "height": 3.0})
    assert values.tolist() == [2.0, 0.0] and known.tolist() == [1.0, 0.0]
    far, _ = WORDS.controls_row({"speed": 99.0})
    assert far[0] == 4.0


def test_an_unknown_number_is_no_number() -> None:
    values, known = WORDS.controls_row({"speed": float("nan")})
    assert values[0] == 0.0 and known[0] == 0.0


def test_wishes_ask_for_captured_motion_unless_told_otherwise() -> None:
    rows = wish_rows(WORDS, [Wish({"walk": 1.0}), Wish(controls={"captured": 0.0})])
    assert rows["labels"].tolist() == [[0.0, 1.0], [0.0, 0.0]]
    assert rows["controls"][:, 1].tolist() == [1.0, -1.0]
    assert rows["controls_known"].tolist() == [[0.0, 1.0], [0.0, 1.0]]
    assert all(row.dtype == np.float32 for row in rows.values())


def test_a_label_that_is_not_there_names_some_that_are() -> None:
    assert WORDS.label("walk").clips == 0
    with pytest.raises(InvalidRequest) as raised:
        WORDS.label("fly")
    assert "sit_down" in raised.value.hint


@pytest.mark.parametrize(
    "damage",
    [
        {"version": 2},
        {"labels": [{"name": "walk"}]},
        {"styles": None},
        {"controls": [{"name": "speed", "unit": "", "meaning": "", "scale": 0.0}]},
    ],
)
def test_a_damaged_file_is_told(tmp_path: Path, damage: dict[str, object]) -> None:
    path = tmp_path / "vocabulary.json"
    path.write_text(json.dumps(WORDS.to_dict() | damage), encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"vocabulary\.json"):
        Vocabulary.load(tmp_path)


def test_a_network_without_its_vocabulary_is_refused() -> None:
    network = DiTConfig(labels=2, styles=2, controls=2)
    assert fitting(WORDS, network) == WORDS
    with pytest.raises(ArtifactError):
        fitting(None, network)
    with pytest.raises(ArtifactError):
        fitting(WORDS, DiTConfig(labels=3, styles=2, controls=2))
    assert fitting(None, DiTConfig()) is None

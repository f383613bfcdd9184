"""Family cards: found by scanning, true of their classes, read before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.batch import chain
from backend.cli.main import main
from backend.errors import InvalidRequest
from backend.motion.io import npz
from backend.pipelines import registry
from backend.pipelines.family import families, family_of
from backend.wire.control import ABILITIES, OPTIONS
from backend.wire.messages import Motion
from backend.wire.skeleton import MOTION_DIM

DIT = ("generate", "edit", "continue", "constrain", "segments")
METHODS = {
    "generate": "generate",
    "edit": "edit",
    "continue": "continues_by",
    "in_between": "complete_motions",
    "describe": "describe",
    "constrain": "generate",
    "segments": "generate",
    "estimate_length": "estimate_lengths",
    "sample": "infer",
}
"""What a class must offer for each ability."""


@pytest.mark.parametrize("name", families())
def test_a_card_is_true_of_its_class(name: str) -> None:
    family = family_of(name)
    cls = registry.pipeline_class(name)
    assert set(family.model.abilities) <= set(ABILITIES)
    assert set(family.model.options) <= set(OPTIONS)
    for ability in family.model.abilities:
        assert hasattr(cls, METHODS[ability]), ability
    for ability in {"edit", "describe", "in_between", "estimate_length"}.difference(
        family.model.abilities
    ):
        assert not hasattr(cls, METHODS[ability]), f"the card does not tell: {ability}"
    for info in family.models:
        assert info.commercial_use in ("yes", "no") and bool(info.path) != bool(info.hub_id)
        assert not info.hub_id or info.size_bytes > 10**6


def folder_of(place: Path, marker: str, values: dict[str, object]) -> Path:
    place.mkdir()
    (place / marker).write_text(json.dumps(values))
    return place


@pytest.mark.parametrize(
    ("marker", "values", "abilities", "fps"),
    [
        ("config.json", {"pipeline": "dit", "fps": 20.0}, DIT, 20.0),
        ("config.json", {"pipeline": "dit", "fps": 30}, DIT, 30.0),
        ("mdm_config.json", {}, ("generate", "edit", "continue", "constrain"), 20.0),
        ("mdm_config.json", {"config": {"context_len": 20}}, ("generate", "continue"), 20.0),
        ("mdm_config.json", {"network": {"context_len": 20}}, ("generate", "continue"), 20.0),
        ("mdm_config.json", {"config": {"dataset": "kit"}}, (), 12.5),
        ("mogents_config.json", {}, ("generate",), 20.0),
        ("mogents_config.json", {"has_length_estimator": True}, ("generate", "estimate_length"),
         20.0),
        ("mogents_config.json", {"config": {"vq": {"dataset_name": "kit"}}}, (), 12.5),
        ("action_mdm_config.json", {"fps": 20.0}, ("generate", "sample"), 20.0),
    ],
)  # fmt: skip
def test_a_folder_tells_what_its_model_can_do(
    tmp_path: Path, marker: str, values: dict[str, object], abilities: tuple[str, ...], fps: float
) -> None:
    info = registry.find_info(folder_of(tmp_path / "m", marker, values))
    assert (info.abilities, info.fps) == (abilities, fps)
    assert info.size_bytes == (tmp_path / "m" / marker).stat().st_size


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    path = tmp_path / "walk.npz"
    npz.write_motion(path, Motion(np.ones((40, MOTION_DIM), np.float32)))
    return path


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["edit", "IN", "--out", "o.npz", "--keep-frames", "0-1s", "--model", "MOGENTS"], "edit"),
        (["continue", "IN", "--out", "o.npz", "--model", "MOGENTS"], "let a motion go on"),
        (["continue", "IN", "--in-between", "--out", "o.npz"], "make the middle of a motion"),
        (["describe", "IN", "--model", "starter"], "describe"),
        (["generate", "a person walks", "--seconds", "auto", "--out", "o.npz"], "estimate"),
    ],
)
def test_what_a_model_cannot_do_is_refused_before_it_is_loaded(
    command: list[str], told: str, walk: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def loads(*_: object, **__: object) -> None:
        raise AssertionError("it was loaded")

    monkeypatch.setattr(registry, "load_pipeline", loads)
    monkeypatch.chdir(tmp_path)
    mogents = folder_of(tmp_path / "m", "mogents_config.json", {})
    places = {"IN": str(walk), "MOGENTS": str(mogents)}
    assert main([places.get(word, word) for word in command]) == 2
    text = capsys.readouterr().err
    assert "cannot" in text and told in text and "hint:" in text


def test_a_chain_takes_the_rate_of_the_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def plan(*_: object, fps: float, **__: object) -> None:
        asked.append(fps)
        raise InvalidRequest("Enough.", "The rate is known.")

    monkeypatch.setattr(chain, "plan", plan)
    kit = folder_of(tmp_path / "kit", "mdm_config.json", {"config": {"dataset": "kit"}})
    dit = folder_of(tmp_path / "dit", "config.json", {"pipeline": "dit", "fps": 30})
    for place in (kit, dit):
        command = ["batch", "chain", "--captions", str(tmp_path), "--seconds", "4", "--quiet"]
        command += ["--out", str(tmp_path / "run"), "--model", str(place)]
        assert main([*command, "--stages", "generate"]) == 2
    assert asked == [12.5, 30.0]  # not 20

"""An evaluation is a function; an evaluator is a file of its own."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from backend.cli.main import main
from backend.errors import FormatError, InvalidRequest
from backend.evaluation import evaluators, protocol, report, settings
from backend.evaluation.evaluators.parts.base import Evaluator
from backend.motion import convert
from backend.motion.representations import motion135

REPO = Path(__file__).resolve().parents[2]

ADDED = '''
"""An evaluator of somebody else: the first joints of a clip, and letters."""

from __future__ import annotations

import numpy as np
import torch

from .parts import base


class HeightEvaluator(base.Evaluator):
    name = "height"
    representation = native = "motion135"
    dim, fps, min_frames, max_frames = 135, 30.0, 4, 300

    @classmethod
    def from_pretrained(cls, folder, *, device=None, local_files_only=False):
        return cls(np.zeros(135), np.ones(135), {"file": "none"})

    @classmethod
    def loaded(cls, weights, *, device=None):
        return cls.from_pretrained(weights)

    def _embed_motion_batch(self, motions):
        return torch.stack([torch.from_numpy(m[:, :3].mean(0)) for m in motions])

    def _embed_text_batch(self, captions):
        return torch.tensor([[float(len(c.text)), 1.0, 0.0] for c in captions])
'''


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("gt", "pred", "captions"):
        (tmp_path / name).mkdir()
    for i in range(33):
        for kind in ("gt", "pred"):
            root = rng.normal(size=(1, 3)) + 0.01 * rng.normal(size=(20, 3))
            x = motion135.pack(root, np.broadcast_to(np.eye(3), (20, 22, 3, 3)))
            np.save(tmp_path / kind / f"c{i:02}.npy", x.astype(np.float32))
        text = "a person walks" + "." * (i % 16)
        (tmp_path / "captions" / f"c{i:02}.txt").write_text(f"{text}\n")
    return tmp_path


@pytest.fixture
def added(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """One file in a folder of its own, which the package is told to look into."""
    package = tmp_path_factory.mktemp("more")
    (package / "height.py").write_text(ADDED)
    monkeypatch.setattr(evaluators, "__path__", [*evaluators.__path__, str(package)])
    yield
    sys.modules.pop(f"{evaluators.__name__}.height", None)


def test_an_evaluator_is_one_new_file(
    added: None, folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "height" in evaluators.names()
    assert evaluators.HeightEvaluator.__name__ == "HeightEvaluator"
    command = ["evaluate", "--evaluator", "height", "--repeats", "2"]
    command += ["--gt", str(folders / "gt"), "--pred", str(folders / "pred")]
    assert main([*command, "--captions", str(folders / "captions"), "--out", str(folders)]) == 0
    printed = capsys.readouterr().out
    assert printed.index("planted foot") < printed.index("R@1"), "physical metrics come first"
    written = json.loads((folders / report.RESULT).read_text())
    assert written["n"] == 33 and written["n_in_galleries"] == 32
    assert written["sha256"]["evaluator"] == {"file": "none"}
    found = report.evaluate(
        settings.EvaluationSettings(
            "height",
            gt=folders / "gt",
            predictions=folders / "pred",
            captions=folders / "captions",
            repeats=2,
        )
    )
    assert found["table"] == written["table"] and found["physical"] == written["physical"]
    assert set(written["table"][protocol.PREDICTION]) >= {"FD", "FD (unit length)"}


def test_every_file_of_the_folder_is_an_evaluator_of_its_name() -> None:
    assert {"hml263", "ms272", "starter", "tmr", "motionclip135", "physical"} <= set(
        evaluators.names()
    )
    for name in evaluators.names():
        kind = evaluators.judge_class(name)
        assert kind.name == name
        assert not issubclass(kind, Evaluator) or kind.representation == kind.native
    with pytest.raises(InvalidRequest, match="no evaluator 'nothing'"):
        evaluators.judge_class("nothing")
    with pytest.raises(AttributeError):
        _ = evaluators.NobodysEvaluator


def test_bridges_are_rows_and_columns(added: None, folders: Path) -> None:
    asked = settings.EvaluationSettings(
        "height",
        gt=folders / "gt",
        predictions=folders / "pred",
        captions=folders / "captions",
        preset="leaderboard",
        bridge="hml263",
    )
    table = report.evaluate(asked)["table"]
    bridged = protocol.BRIDGED.format("hml263")
    assert list(table) == [protocol.GT, bridged, protocol.PREDICTION, protocol.SHUFFLED]
    assert table[bridged]["FD"]["mean"] > 0
    assert f"FD, {bridged}" in table[protocol.PREDICTION]
    with pytest.raises(InvalidRequest, match="no bridge for motion135"):
        report.evaluate(settings.EvaluationSettings(**{**vars(asked), "bridge": "motion135"}))
    with pytest.raises(InvalidRequest, match="no protocol preset"):
        report.evaluate(settings.EvaluationSettings(**{**vars(asked), "preset": "best"}))


def test_one_ground_truth_serves_evaluators_of_any_representation(
    added: None, folders: Path
) -> None:
    asked = settings.EvaluationSettings(
        "height",
        gt=folders / "gt",
        predictions=folders / "pred",
        captions=folders / "captions",
        preset="leaderboard",
    )
    before = report.evaluate(asked)["table"]
    (folders / "other").mkdir()
    for path in (folders / "gt").iterdir():
        x = convert.convert(np.load(path), "motion135", "hymotion201").data
        np.save(folders / "other" / path.name, x)
    elsewhere = {**vars(asked), "gt": folders / "other"}
    with pytest.raises(FormatError, match="holds hymotion201; this evaluator reads motion135"):
        report.evaluate(settings.EvaluationSettings(**elsewhere))
    made = report.evaluate(settings.EvaluationSettings(**elsewhere | {"convert": True}))
    assert made["converted"] is True
    for row, values in before.items():
        for name, value in values.items():
            assert made["table"][row][name]["mean"] == pytest.approx(value["mean"], abs=1e-6)


def test_nobody_fakes_a_command_line() -> None:
    wrong = []
    reader = REPO / "backend" / "motion" / "io" / "plain_values.py"  # checkpoints hold some
    for folder in ("backend", "blender_addon", "scripts"):
        for path in (REPO / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call) or path == reader:
                    continue
                if ast.unparse(node.func) in ("Namespace", "argparse.Namespace"):
                    wrong.append(f"{path.relative_to(REPO)}:{node.lineno}")
    assert not wrong, wrong


def test_the_intervals_of_a_distance_hold_it() -> None:
    rng = np.random.default_rng(1)
    real, other = rng.normal(size=(64, 24)), rng.normal(size=(64, 24))
    texts = protocol.Texts.from_counts(rng.normal(size=(64, 24)), [1] * 64)
    row = protocol.evaluate(protocol.Protocol("t", repeats=1), texts, real, other)
    found = row[protocol.PREDICTION]["FD"]
    assert found.low < found.mean < found.high
    assert found.mean - found.low == pytest.approx(found.high - found.mean)
    assert "[" not in protocol.as_text(row)

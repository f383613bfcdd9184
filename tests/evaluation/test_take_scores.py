"""Scores of a take, the choice among takes, and one set of numbers everywhere."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from backend.cli.main import main
from backend.evaluation import physical_rows, take_scores
from backend.motion.io import npz
from backend.motion.representations import motion135
from backend.service.engine import Engine
from backend.wire.messages import Motion, Request


def sliding(speed: float, frames: int = 45) -> np.ndarray:
    """A standing body that is pushed over the floor at ``speed`` m/s."""
    root = np.tile([0.0, 0.88, 0.0], (frames, 1))
    root[:, 2] = np.arange(frames) * speed / 30
    rotations = np.broadcast_to(np.eye(3), (frames, 22, 3, 3))
    return motion135.pack(root, rotations).astype(np.float32)


def test_scores_are_those_of_the_file(tmp_path: Path) -> None:
    motion = Motion(sliding(0.3), 30.0, {})
    npz.write_motion(tmp_path / "a.npz", motion)
    scores = take_scores.take_scores(motion, "a person walks", text=False)
    assert scores == pytest.approx(physical_rows.motion_metrics(tmp_path / "a.npz"))
    assert scores["foot_sliding_cm_s"] == pytest.approx(30.0, rel=1e-3)
    assert take_scores.take_scores(Motion(sliding(0.3, 3), 30.0, {}), "x") == {}


def test_the_best_take_fits_and_does_not_slide() -> None:
    def scores(match: float, slide: float) -> dict[str, float]:
        return {"text_match": match, "foot_sliding_cm_s": slide}

    assert take_scores.best([scores(0.6, 10), scores(0.8, 20), scores(0.7, 5)]) == 1
    assert take_scores.best([scores(0.70, 40), scores(0.68, 5)]) == 1
    assert take_scores.best([{"foot_sliding_cm_s": 9.0}, {"foot_sliding_cm_s": 3.0}]) == 1


class Sliders:
    """Sample ``i`` slides at ``0.4 - 0.1 * seed`` m/s."""

    def generate(self, request: Request, on_step: object = None) -> list[Motion]:
        seeds = range(request.seed, request.seed + request.samples)
        return [Motion(sliding(0.4 - 0.1 * s), 30.0, {"seed": s}) for s in seeds]


def test_the_engine_scores_every_take_and_keeps_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    from backend.pipelines import registry

    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    registry.register("sliders", lambda **options: Sliders(), uses_torch=False)
    monkeypatch.setattr(take_scores, "_evaluator", lambda: None)
    request = Request("a person walks", 1.5, samples=4, model="sliders", cleanup=False)
    made = Engine().run(request).motions
    slides = [motion.meta["scores"]["foot_sliding_cm_s"] for motion in made]
    assert slides == sorted(slides, reverse=True) and len(made) == 4
    [kept] = Engine().run(Request(**{**request.to_dict(), "keep_best": True})).motions
    assert kept.meta["seed"] == 3


def test_rendering_and_evaluating_give_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``render_batch.py --evaluate`` measures with the function of ``kinetype evaluate``."""
    place = Path(__file__).parents[2] / "scripts" / "render_batch.py"
    spec = importlib.util.spec_from_file_location("render_batch_script", place)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, script)  # dataclasses look their module up
    spec.loader.exec_module(script)
    for i in range(2):
        npz.write_motion(tmp_path / f"m{i}.npz", Motion(sliding(0.1 * (i + 1)), 30.0, {}))
    measured = [script.measure(tmp_path / f"m{i}.npz") for i in range(2)]
    command = ["evaluate", "--evaluator", "physical", "--gt", str(tmp_path), "--gt-only"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    row = json.loads((tmp_path / "out" / "evaluation.json").read_text())["table"]["ground truth"]
    for name, value in row.items():
        assert value["mean"] == pytest.approx(np.mean([m[name] for m in measured])), name

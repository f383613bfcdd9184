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
    assert scores[take_scores.SLIDING] == pytest.approx(30.0, rel=1e-3)
    assert scores == pytest.approx(physical_rows.motion_metrics(tmp_path / "a.npz"))
    assert scores["foot_sliding_cm_s"] == pytest.approx(30.0, rel=1e-3)
    assert take_scores.take_scores(Motion(sliding(0.3, 3), 30.0, {}), "x") == {}


def test_the_best_take_fits_and_does_not_slide() -> None:
    def scores(match: float, slide: float) -> dict[str, float]:
        return {"text_match": match, take_scores.SLIDING: slide}

    assert take_scores.best([scores(0.6, 10), scores(0.8, 20), scores(0.7, 5)]) == 1
    assert take_scores.best([scores(0.70, 40), scores(0.68, 5)]) == 1
    assert take_scores.best([{take_scores.SLIDING: 9.0}, {take_scores.SLIDING: 3.0}]) == 1


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
    slides = [motion.meta["scores"][take_scores.SLIDING] for motion in made]
    assert slides == sorted(slides, reverse=True) and len(made) == 4
    [kept] = Engine().run(Request(**{**request.to_dict(), "keep_best": True})).motions
    assert kept.meta["seed"] == 3


class Failing:
    """An evaluator whose network or text encoder breaks."""

    min_frames = 12

    def embed_motions(self, motions: object) -> np.ndarray:
        raise RuntimeError("broken")


@pytest.mark.parametrize("problem", ["evaluator", "scores"])
def test_what_is_wrong_with_the_scores_costs_no_motion(
    monkeypatch: pytest.MonkeyPatch, problem: str
) -> None:
    from backend.pipelines import registry

    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    registry.register("sliders", lambda **options: Sliders(), uses_torch=True)
    if problem == "evaluator":
        monkeypatch.setattr(take_scores, "_evaluator", Failing)
    else:
        monkeypatch.setattr(take_scores, "physical_metrics", Failing().embed_motions)
    request = Request("a person walks", 1.5, samples=3, model="sliders", cleanup=False)
    made = Engine(device="cpu").run(request)
    assert [motion.meta["seed"] for motion in made.motions] == [0, 1, 2]
    assert made.warnings == ()
    for motion in made.motions:
        scores = motion.meta.get("scores", {})
        assert "text_match" not in scores and ("jerk_m_s3" in scores) == (problem == "evaluator")
    made = Engine(device="cpu").run(Request(**{**request.to_dict(), "keep_best": True}))
    [kept], [warning] = made.motions, made.warnings
    assert (kept.meta["seed"], warning.split(":")[1]) == (
        (2, " kept what slides least.") if problem == "evaluator" else (0, " kept the first.")
    )


@pytest.mark.parametrize("damage", ["", "gone", "weights", "encoder"])
def test_a_damaged_evaluator_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    from backend.errors import MissingDependency
    from backend.evaluation.evaluators import starter
    from backend.text import minilm

    folder = small_evaluator(tmp_path / "evaluator")
    monkeypatch.setattr(starter, "FOLDER", folder)

    def missing(**options: object) -> None:
        raise MissingDependency("no encoder", "")

    if damage == "gone":
        (folder / "config.json").unlink()
    elif damage == "weights":
        (folder / "model.safetensors").write_bytes(b"not tensors")
    elif damage == "encoder":
        monkeypatch.setattr(minilm, "shared", missing)
    else:
        require_minilm()
    take_scores._evaluator.cache_clear()
    try:
        scores = take_scores.take_scores(Motion(sliding(0.1), 30.0, {}), "a person walks")
    finally:
        take_scores._evaluator.cache_clear()
    assert "jerk_m_s3" in scores and ("text_match" in scores) == (not damage)


def require_minilm() -> None:
    from backend.errors import KinetypeError
    from backend.text import minilm

    try:
        minilm.find_folder(local_files_only=True)
    except KinetypeError as error:
        pytest.skip(f"no text encoder: {error.message}")


def small_evaluator(folder: Path) -> Path:
    """A folder with a real, untrained evaluator."""
    from dataclasses import asdict

    import torch

    from backend.evaluation.evaluators.parts.starter_network import SentenceTMR, TMRConfig
    from backend.store.model_folder import save_tensors, write_json

    folder.mkdir()
    config = TMRConfig(latent=32, layers=1, feed_forward=32, text_hidden=32)
    net = SentenceTMR(config)
    weights = {k: v for k, v in net.state_dict().items() if not k.startswith("decoder.")}
    save_tensors(folder / "model.safetensors", weights)
    ones = torch.ones(config.features)
    save_tensors(folder / "stats.safetensors", {"mean": 0 * ones, "std": ones})
    write_json(folder / "config.json", {"evaluator": "starter", "network": asdict(config)})
    return folder


def test_one_text_encoder_serves_the_model_and_the_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backend.evaluation.evaluators.starter import StarterEvaluator
    from backend.text import minilm

    require_minilm()
    loads = []
    load = minilm.MiniLMEncoder.load

    def counted(**options: object) -> minilm.MiniLMEncoder:
        loads.append(options)
        return load(**options)

    monkeypatch.setattr(minilm, "_shared", {})
    monkeypatch.setattr(minilm.MiniLMEncoder, "load", counted)
    first = minilm.shared(local_files_only=True, device="cpu")
    evaluator = StarterEvaluator.from_pretrained(small_evaluator(tmp_path / "evaluator"))
    assert evaluator.reader is first and len(loads) == 1
    match = take_scores.text_match(evaluator, Motion(sliding(0.1), 30.0, {}), "someone skates")
    assert 0.0 <= match <= 1.0
    # an embedding that the evaluator cached must still serve training
    assert not first.encode(["someone skates"]).sentence.is_inference()


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

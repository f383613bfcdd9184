"""``kinetype evaluate --model --multimodality``: the column can be made again from its record."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.evaluation.evaluators.starter import CONFIG, FOLDER, StarterEvaluator
from backend.evaluation.multimodality import Draw, Sizes
from backend.service.engine import Engine
from backend.wire.messages import Request

from .conftest import Kinetype


@pytest.mark.skipif(not (FOLDER / CONFIG).is_file(), reason="no starter evaluator")
def test_the_value_follows_from_what_is_recorded(
    kinetype_here: Kinetype, tiny_model: Path, tmp_path: Path
) -> None:
    common = ("evaluate", "--model", tiny_model, "--no-cleanup", "--limit", 32, "--repeats", 3,
              "--seed", 5, "--device", "cpu", "--out")  # fmt: skip
    sizes = ("--mm-captions", 2, "--mm-samples", 4, "--mm-pairs", 3)
    done = kinetype_here(*common, "with", "--multimodality", *sizes)
    assert done.returncode == 0, done.stderr
    physical, tables = done.stdout.split("\n\n")[:2]
    assert "planted foot" in physical
    header, first, second, *_ = tables.splitlines()
    assert header.split()[-1] == "MultiModality"
    assert first.startswith("ground truth") and first.split()[-1] == "-"
    assert "varying" in done.stderr

    report = json.loads((tmp_path / "with/evaluation.json").read_text())
    record = report["protocol"].pop("multimodality")
    assert (record["captions"], record["samples"], record["pairs"]) == (2, 4, 3)
    assert len({entry["caption"] for entry in record["asked"]}) == 2
    value = report["table"]["predictions"].pop("MultiModality")
    assert f"{value['mean']:.3f}" in second

    engine = Engine(device="cpu")
    evaluator = StarterEvaluator.from_pretrained()
    embedded = []
    for entry in record["asked"]:
        request = Request(
            entry["caption"],
            seconds=entry["seconds"],
            seed=entry["seed"],
            samples=4,
            model=str(tiny_model),
            cleanup=False,
        )
        motions = [motion.data for motion in engine.run(request).motions]
        embedded.append(evaluator.embed_motions(motions))
    x = np.stack(embedded)
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    draw = Draw(Sizes(2, 4, 3), 5)
    assert evaluator.reference is not None
    draw.captions([texts[0] for texts in evaluator.reference.captions[:32]])
    assert value["mean"] == pytest.approx(draw.value(x, 3).mean, rel=1e-4)
    assert value["mean"] > 0

    plain = kinetype_here(*common, "without")
    assert plain.returncode == 0, plain.stderr
    without = json.loads((tmp_path / "without/evaluation.json").read_text())
    assert {**report, "seconds": 0} == {**without, "seconds": 0}

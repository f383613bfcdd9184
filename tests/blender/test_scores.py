"""Scores of takes in the panel, and keeping the best of several samples."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from backend.evaluation import take_scores  # noqa: E402
from backend.wire.messages import Request  # noqa: E402
from blender_addon import takes  # noqa: E402
from blender_addon.panels.takes_panel import KINETYPE_PT_takes, score_lines  # noqa: E402
from blender_addon.scene import action as actions  # noqa: E402
from blender_addon.scene import compat  # noqa: E402

from . import drawing, synthetic  # noqa: E402
from .pressing import UNTIL, generate  # noqa: E402


def keys(action: bpy.types.Action) -> dict[tuple[str, int], list[tuple[float, float]]]:
    return {
        (curve.data_path, curve.array_index): [tuple(p.co) for p in curve.keyframe_points]
        for curve in compat.fcurves_of(action)
    }


def slides(action: bpy.types.Action) -> float:
    return takes.info_of(action).meta["scores"][take_scores.SLIDING]


def panel_of(take: bpy.types.Action) -> str:
    bpy.context.scene.kinetype.take_index = list(bpy.data.actions).index(take)
    return drawing.draw_panel(KINETYPE_PT_takes)


def test_a_take_carries_its_scores_and_the_panel_shows_them(addon, fake_backend) -> None:
    action = generate(seconds=1.0, lock_seed=True, seed=21)
    stored = takes.info_of(action).meta["scores"]
    motion = fake_motion(21)
    expected = take_scores.take_scores(motion, "", text=False)
    assert stored == pytest.approx(expected, rel=1e-5)
    tree = panel_of(action)
    assert f"Foot sliding: {expected[take_scores.SLIDING]:.1f} cm/s" in tree
    assert f"Jerkiness: {expected['jerk_m_s3']:.0f} m/s" in tree
    assert "Prompt match" not in tree, "no evaluator was asked, so nothing may be said"


def fake_motion(seed: int):
    """What the made-up pipeline of the backend makes in one second."""
    rng = np.random.default_rng(seed)
    data = np.cumsum(rng.normal(0.0, 0.01, (30, 135)), axis=0)
    return synthetic.Motion(data)


def test_the_best_of_three_is_the_only_take_and_can_be_made_again(
    addon, fake_backend, until: UNTIL
) -> None:
    asked = {"seconds": 1.0, "samples": 3, "lock_seed": True, "seed": 27}
    generate(**asked)
    every = takes.all_takes()
    best = min(every, key=slides)
    wanted = keys(best)
    assert len(every) == 3 and takes.info_of(best).seed == 28, "not the first, or nothing is shown"
    for take in every:
        bpy.data.actions.remove(take)

    action = generate(**asked, keep_best=True)
    assert takes.all_takes() == [action]
    assert keys(action) == wanted
    assert any("kept what slides least" in text for text in addon.board.warnings)
    request = takes.request_of(action)
    assert (request.seed, request.samples, request.keep_best) == (28, 1, False)

    assert bpy.ops.kinetype.take_regenerate(take=action.name) == {"FINISHED"}
    until(lambda: not addon.board.busy)
    [again] = [take for take in takes.all_takes() if take != action]
    assert keys(again) == wanted

    addon.settings().keep_best = True
    assert bpy.ops.kinetype.take_recall(take=action.name) == {"FINISHED"}
    settings = addon.settings()
    assert (settings.seed, settings.samples, settings.keep_best) == (28, 1, False)


def test_keep_best_means_nothing_for_one_sample(addon, fake_backend) -> None:
    from blender_addon.operators.generate import request_from
    from blender_addon.panels.main import KINETYPE_PT_main

    settings = addon.settings()
    assert "KinetypeSettings.keep_best" not in drawing.draw_panel(KINETYPE_PT_main)
    settings.keep_best = True
    assert request_from(settings).keep_best is False
    settings.samples = 2
    assert request_from(settings).keep_best is True
    assert "KinetypeSettings.keep_best" in drawing.draw_panel(KINETYPE_PT_main)
    settings.keep_best = False
    assert request_from(settings).keep_best is Request("x").keep_best is False


@pytest.mark.parametrize(
    "scores", [None, "fine", [], {}, {"jerk_m_s3": "a lot", "text_match": math.nan}, {"new": 1.0}]
)
def test_takes_without_scores_that_can_be_read_are_drawn(
    addon: SimpleNamespace, scores: object
) -> None:
    bpy.ops.kinetype.add_mannequin()
    motion = synthetic.walk(1.0)
    meta = {**motion.meta, "prompt": "a person waves", "scores": scores}
    if scores is None:
        del meta["scores"]  # an earlier version
    armature = addon.settings().character
    scene = bpy.context.scene
    take = actions.apply_motion(armature, synthetic.Motion(motion.data, meta=meta), scene=scene)
    tree = panel_of(take)
    assert "a person waves" in tree and "take_regenerate(" in tree
    assert score_lines(json.loads(json.dumps(meta))) == []


@pytest.mark.parametrize(
    ("stored", "shown"), [(0.95, "90"), (1.0, "100"), (0.5, "0"), (0.2, "0"), (0.625, "25")]
)
def test_unrelated_is_zero_not_half(stored: float, shown: str) -> None:
    [line] = score_lines({"scores": {"text_match": stored}})
    assert line == f"Prompt match: {shown} of 100"
    assert score_lines({"edit": {}, "scores": {"text_match": stored}}) == []

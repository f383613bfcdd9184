"""Prompts written as timelines: texts with times and parts of the body, by the starter's family."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.diffusion import timeline
from backend.errors import InvalidRequest
from backend.motion.body_parts import PART_JOINTS, part_columns
from backend.motion.representations import smplrifke205
from backend.pipelines.dit.timeline import TimelineDenoiser
from backend.wire.messages import Request
from tests.model_zoo import tiny

TWO = "walk forward # 0 # 3 # legs # spine\nwave # 1 # 2 # right arm"


def test_each_text_moves_its_own_parts_in_its_own_time() -> None:
    """A stand-in that answers the number of its text: what comes out tells who moved what when."""
    plan = timeline.plan(timeline.parse(TWO))

    def numbered(x, t, y):
        return y["number"][:, None, None].expand_as(x).clone()

    numbers = torch.arange(1.0, 1 + len(plan.spans))
    net = TimelineDenoiser(numbered, numbered, plan, {"number": numbers})
    x = torch.zeros(1, plan.frames, smplrifke205.SPEC.dim)
    out = net(x, torch.zeros(1, dtype=torch.int64), {})[0]
    arm, legs = (part_columns(smplrifke205.SPEC, p) for p in ("right arm", "legs"))
    assert (out[:, legs] == 1.0).all()
    assert (out[30, arm] == 2.0).all() and (out[5, arm] == 1.0).all()
    # where the arm changes its text, both count and the transition is taken off
    border = out[20, arm]
    assert (border == 1.0 + 2.0 - numbers[2]).all()
    assert set(PART_JOINTS) == {"legs", "spine", "head", "left arm", "right arm"}


def test_a_timeline_is_a_prompt_like_any_other(tmp_path: Path) -> None:
    pipeline = tiny("dit", tmp_path)
    request = Request(TWO, seconds=1.0, seed=4, samples=2, steps=2)
    first, second = pipeline.generate(request)
    assert len(first.data) == 90 and first.meta["params"]["seconds"] == 3.0
    assert first.meta["parts"] == ["walk forward", "wave"]
    assert np.isfinite(first.data).all() and (first.data != second.data).any()
    (again,) = pipeline.generate(Request(TWO, seconds=1.0, seed=5, steps=2))
    np.testing.assert_array_equal(again.data, second.data)


def test_wrong_timelines_are_refused(tmp_path: Path) -> None:
    pipeline = tiny("dit", tmp_path)
    for prompt, named in (
        ("walk # 0 # 3 # tail", "moves tail"),
        ("walk # a # 3 # legs", "no line of a timeline"),
        ("walk # 0 # 30 # legs", "lasts 30"),
        ("walk # 1 # 3 # legs", "No text says"),
    ):
        with pytest.raises(InvalidRequest, match=named):
            pipeline.generate(Request(prompt, steps=1))

"""Physical metrics against outputs of Motius @50cf750, on clips where single frames decide."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.evaluation.metrics import physical_metrics
from backend.evaluation.physical import mbench_metrics

NAMES = {
    "Slide": "slide",
    "Float": "float",
    "Jitter": "jitter",
    "Dynamic": "dynamic",
    "Penet": "penetration",
}


def test_every_clip(kit: Path) -> None:
    expected = json.loads((kit / "motius" / "physical_expected.json").read_text())["per_clip"]
    with np.load(kit / "motius" / "physical_inputs.npz", allow_pickle=False) as clips:
        assert set(clips.files) == set(expected) and len(expected) > 40
        for name in clips.files:
            ours = physical_metrics(clips[name], fps=30)
            for theirs, own in NAMES.items():
                right = expected[name][theirs]
                if theirs == "Float":
                    assert ours[own] == pytest.approx(right, abs=1e-9), name
                else:
                    assert ours[own] == pytest.approx(right, rel=2e-6, abs=1e-9), (name, own)


def test_rounding_decides_as_published(kit: Path) -> None:
    """On these clips positions in float64 would give another value of Float."""
    found = json.loads((kit / "motius" / "physical_expected.json").read_text())
    other = found["float_from_frame_1_in_float64"]
    apart = {n for n, e in found["per_clip"].items() if abs(e["Float"] - other[n]) > 1e-3}
    assert apart
    with np.load(kit / "motius" / "physical_inputs.npz", allow_pickle=False) as clips:
        for name in apart:
            in_double = mbench_metrics(clips[name].astype(np.float64))
            assert in_double["float"] == pytest.approx(found["per_clip"][name]["Float"], abs=1e-9)

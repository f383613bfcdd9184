"""MBench's physical metrics against the goldens (formulas of HFTrainer 2f8b929)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.evaluation.metrics import physical_metrics
from backend.evaluation.physical import floating_frames

GOLDEN = Path(__file__).parent / "golden" / "metrics"
NAMES = {
    "Slide": "slide",
    "Float": "float",
    "Jitter": "jitter",
    "Dynamic": "dynamic",
    "Penet": "penetration",
}


def check(folder: Path, clip: str) -> None:
    with np.load(folder / "physics_inputs.npz", allow_pickle=False) as file:
        joints = file[clip]
    expected = json.loads((folder / "physics.json").read_text())[clip]
    ours = physical_metrics(joints, fps=30)
    for theirs, name in NAMES.items():
        tolerance = 1e-12 if theirs == "Float" else 1e-7
        assert ours[name] == pytest.approx(expected[theirs], abs=tolerance), theirs


@pytest.mark.parametrize("clip", ["walk", "skate", "float", "hop", "jitter", "static"])
def test_synthetic(clip: str) -> None:
    check(GOLDEN, clip)


@pytest.mark.parametrize("clip", ["real_30fps", "real_60fps"])
def test_real(kit: Path, clip: str) -> None:
    check(kit / "metrics", clip)


@pytest.mark.parametrize("clip", ["walk", "skate", "float", "hop", "jitter", "static"])
def test_parts_of_float(clip: str) -> None:
    with np.load(GOLDEN / "physics_inputs.npz", allow_pickle=False) as file:
        joints = file[clip].astype(np.float64)
    expected = json.loads((GOLDEN / "physics.json").read_text())[clip]["debug"]
    feet = joints[:, [10, 11]]
    step = np.linalg.norm(np.diff(feet, axis=0, append=2 * feet[-1:] - feet[-2:-1]), axis=-1)
    contact = (step < 0.01) | (feet[..., 1] < expected["floor"] + 0.02)
    assert contact.sum(0).tolist() == expected["contact_frames"]
    bad, floating, mass = floating_frames(joints, contact)
    assert bad == expected["invalid_contact_frames"]
    assert sorted(floating) == sorted(expected["floating_run_lengths"])
    assert mass == expected["mass_lens"]

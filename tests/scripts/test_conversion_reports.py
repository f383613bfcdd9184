"""The scripts behind docs/representations.md, on made-up recordings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from backend.motion import ik, synthetic_body
from backend.motion.body_model import BodyModel
from backend.training.data.dataset import Clip, MotionDataset
from scripts import benchmark_ik, report_conversions, report_ik

MotionMaker = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def dataset(make_motion: MotionMaker) -> MotionDataset:
    clips = [make_motion(80, seed=seed, turns=0.1).astype(np.float32) for seed in range(2)]
    return MotionDataset(
        "smplrifke205",
        20.0,
        np.zeros((0, 205), np.float32),
        np.concatenate(clips),
        tuple(Clip(f"walk_{i}", "train", 80 * i, 80, content="walk") for i in range(2)),
        (),
        (),
    )


def test_conversion_table(dataset: MotionDataset, tmp_path: Path) -> None:
    rows = report_conversions.table(dataset, 1).splitlines()[2:]
    cells = [[c.strip() for c in row.strip("|").split("|")] for row in rows]
    errors = {c[0]: (float(c[2]), float(c[3])) for c in cells}
    assert len(errors) == len(report_conversions.TRIPS)
    for name in ("135 → 272 → 135", "135 → smpl85 → 135", "135 → BVH → 135"):
        assert errors[name][1] < 0.01, name
    assert 1.0 < errors["263 → IK refine-80 → 135"][0] < 60.0
    loops = report_conversions.loop_table(dataset, 2).splitlines()[2:]
    seams = [float(row.split("|")[3]) for row in loops]
    assert seams[2] < seams[0]


def test_picture(dataset: MotionDataset, tmp_path: Path) -> None:
    layers = report_conversions.overlay(dataset.clip_motion(dataset.clips[0]))
    asked, fitted, decoded = layers
    assert asked.shape == fitted.shape == decoded.shape
    np.testing.assert_allclose(decoded, fitted, atol=1e-4)
    assert np.linalg.norm(asked - fitted, axis=-1).mean() < 0.06
    report_conversions.draw(layers, tmp_path / "a.png", "walk")
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_ik_report(dataset: MotionDataset) -> None:
    x = dataset.clip_motion(dataset.clips[0])[:40].astype(np.float64)
    found = {name: report_ik.one_clip(x, options) for name, options in report_ik.METHODS.items()}
    mean = {name: {k: float(v.mean()) for k, v in parts.items()} for name, parts in found.items()}
    own = mean["closed form, bone lengths of 263"]
    assert own["mpjpe_mm"] < 0.2 * mean["closed form"]["mpjpe_mm"]
    assert own["swing"] < 5.0
    without = mean["closed form without hinge twist"]
    assert mean["closed form"]["mpjpe_mm"] == pytest.approx(without["mpjpe_mm"], abs=1e-9)
    assert mean["closed form"]["swing"] == pytest.approx(without["swing"], abs=1e-3)


def test_refinement_equals_the_one_through_a_mesh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The analytic gradient against automatic differentiation of ``smplx``, step by step."""
    pytest.importorskip("smplx")
    monkeypatch.setattr(benchmark_ik, "FRAMES", 12)
    monkeypatch.setattr(benchmark_ik, "VERTICES", 200)
    np.savez(tmp_path / "body.npz", **synthetic_body.arrays("smpl", 200))
    offsets = BodyModel.load(tmp_path / "body.npz").offsets()
    points = benchmark_ik.targets(offsets)
    mesh = benchmark_ik.MeshRefinement(tmp_path / "body.npz", points)
    for steps in (1, 5, 20):
        published = ik.Refinement(iterations=steps, settle=False)
        [fit] = ik.fit(points, offsets, refinement=published, foot_align=False)
        assert mesh(steps) == pytest.approx(fit.error_mm.mean(), abs=0.02)

"""Every pair of representations converts, says what it lost, and loses no more than that."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from backend.errors import FormatError
from backend.motion import convert, edits, ik
from backend.motion.representations import hml263, motion135, smpl85
from backend.motion.skeleton import rest_offsets

MotionMaker = Callable[..., np.ndarray]
QUICK = convert.IkOptions(refinement=ik.Refinement(method="gauss_newton", iterations=6))
NAMES = sorted(convert.SPECS)


@pytest.fixture
def start(make_motion: MotionMaker) -> np.ndarray:
    """61 frames at 30 fps that face +Z at first."""
    return edits.align_heading(make_motion(61)).astype(np.float32)


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("target", NAMES)
def test_every_pair(start: np.ndarray, source: str, target: str) -> None:
    first = convert.convert(start, "motion135", source)
    out = convert.convert(first.data, source, target, fps=first.fps, options=QUICK)
    assert out.representation == target and np.isfinite(out.data).all()
    width = out.data.reshape(len(out.data), -1).shape[1]
    assert width == convert.SPECS[target].dim
    assert abs(len(out.data) / out.fps - 61 / 30) < 0.11
    assert len(out.steps) == len(convert.route(source, target)) - 1


def rooted(x: np.ndarray) -> np.ndarray:
    points = motion135.joints(x)
    return points - points[:, :1]


def test_272_and_back_is_exact(start: np.ndarray) -> None:
    there = convert.motion135_to_motion272(start)
    back = convert.motion272_to_motion135(there)
    shift = start[:, :3] - back[:, :3]
    np.testing.assert_allclose(shift, np.tile(shift[0], (61, 1)), atol=5e-6)
    np.testing.assert_allclose(back[:, 3:], start[:, 3:], atol=2e-6)


def test_205_and_back_keeps_the_motion(start: np.ndarray) -> None:
    there = convert.convert(start, "motion135", "smplrifke205")
    back = convert.convert(there.data, "smplrifke205", "motion135").data
    np.testing.assert_allclose(rooted(back)[::3], rooted(start)[::3], atol=2e-2)
    assert np.abs(rooted(back) - rooted(start))[::3].mean() < 2e-3


def test_263_and_back_through_ik(start: np.ndarray) -> None:
    features = convert.motion135_to_hml263(start)
    assert features.shape == (40, 263)
    again = hml263.encode(convert.hml263_to_joints(features).astype(np.float64))
    # the smoothing window sees one pose less, so only positions are compared
    columns = hml263.SPEC.columns("root_height", "joints")
    np.testing.assert_allclose(again[:, columns], features[:-1, columns], atol=2e-2)
    out = convert.convert(features, "hml263", "motion135", options=QUICK)
    assert [step.name for step in out.steps] == ["hml263 -> joints", "joints -> motion135"]
    [lossy] = out.lossy_steps
    assert lossy.error_mm is not None and 0.0 < lossy.error_mm < 60.0


def test_the_same_skeleton_gives_the_pose_back(start: np.ndarray) -> None:
    points = motion135.joints(start)
    options = convert.IkOptions(
        refinement=ik.Refinement(method="gauss_newton"), offsets=rest_offsets(), foot_align=False
    )
    out, error = convert.joints_to_motion135(points, 30, 30, options)
    assert error.mean() < 0.5
    lift = points[..., 1].min()
    np.testing.assert_allclose(motion135.joints(out), points - [0, lift, 0], atol=3e-3)


def test_routes() -> None:
    assert convert.route("hml263", "ms272") == ("hml263", "joints", "motion135", "ms272")
    assert convert.route("ms272", "hml263") == ("ms272", "hml263")
    assert convert.route("joints", "joints") == ("joints",)
    with pytest.raises(FormatError, match="motion138"):
        convert.route("motion138", "joints")


def test_options_and_rates_reach_the_steps(start: np.ndarray) -> None:
    fast = convert.convert(start[:31], "motion135", "ms272", fps=60)
    assert len(fast.data) == 16 and fast.fps == 30.0
    same = convert.convert(start, "motion135", "motion135")
    np.testing.assert_array_equal(same.data, start)
    assert same.steps == ()
    closed = convert.IkOptions(refinement=None)
    features = convert.motion135_to_hml263(start)
    rough = convert.convert(features, "hml263", "motion135", options=closed)
    fine = convert.convert(features, "hml263", "motion135", options=QUICK)
    assert rough.lossy_steps[0].error_mm > fine.lossy_steps[0].error_mm  # type: ignore[operator]


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("target", NAMES)
def test_every_lossy_step_says_how_far_joints_moved(
    start: np.ndarray, source: str, target: str
) -> None:
    first = convert.convert(start, "motion135", source)
    out = convert.convert(first.data, source, target, fps=first.fps, options=QUICK)
    for step in out.steps:
        assert (step.error_mm is None) == (not step.loses), step
    # bone lengths cost centimetres, forgetting place and heading or frames at 20 fps does not
    bones = {"joints -> hml263", "ms272 -> hml263", "joints -> motion135"}
    for step in out.lossy_steps:
        assert step.error_mm is not None and step.error_mm < (60.0 if step.name in bones else 2.0)


def test_the_error_of_another_body_is_measured(start: np.ndarray) -> None:
    taller = 1.1 * rest_offsets()
    taller[0] = [0.0, 5.0, 0.0]  # the root of motion_135 is the pelvis, wherever a body rests it
    features = convert.motion135_to_motion272(start, offsets=taller)
    out = convert.convert(features, "ms272", "motion135")
    [step] = out.lossy_steps
    points = rooted(start)
    expected = 1000.0 * np.linalg.norm(0.1 * points, axis=-1).mean()
    assert step.error_mm == pytest.approx(expected, rel=1e-3)
    options = convert.IkOptions(offsets=taller)
    same = convert.convert(start, "motion135", "joints", options=options).data
    np.testing.assert_allclose(same[:, 0], start[:, :3], atol=1e-6)


def test_what_a_body_shape_costs_is_not_guessed(start: np.ndarray) -> None:
    features = convert.convert(start, "motion135", "smpl85").data
    features[:, smpl85.SPEC.columns("betas")] = 1.0
    [step] = convert.convert(features, "smpl85", "motion135").lossy_steps
    assert step.loses == "body shape" and step.error_mm is None


def test_a_change_of_rate_is_a_lossy_step(start: np.ndarray) -> None:
    for target in ("motion135", "smpl85"):
        out = convert.convert(start, "motion135", target, fps=60)
        [step] = out.lossy_steps
        assert "30 fps" in step.loses and step.error_mm is not None and step.error_mm < 10.0
    [step] = convert.convert(start, "motion135", "joints", target_fps=10).steps[1:]
    assert step.name == "joints -> joints" and step.loses


@pytest.mark.parametrize("source", NAMES)
def test_sources_at_another_rate_keep_their_duration(start: np.ndarray, source: str) -> None:
    first = convert.convert(start, "motion135", source)
    for target in ("motion135", "hml263", "ms272"):
        once = convert.convert(first.data, source, target, fps=first.fps, options=QUICK)
        slow = convert.convert(first.data, source, target, fps=first.fps / 2, options=QUICK)
        if source != target:
            assert abs(len(slow.data) - 2 * len(once.data)) <= 3, (source, target)
            assert slow.fps == once.fps


def test_target_rates(start: np.ndarray) -> None:
    features = convert.motion135_to_hml263(start)
    kept = convert.convert(features, "hml263", "motion135", target_fps=20, options=QUICK)
    assert len(kept.data) == len(features) and kept.fps == 20
    joints = convert.convert(start, "motion135", "joints", target_fps=15)
    assert joints.fps == 15 and len(joints.data) == 31
    np.testing.assert_allclose(joints.data, motion135.joints(start)[::2], atol=1e-6)
    with pytest.raises(FormatError, match="20 fps, not 30"):
        convert.convert(start, "motion135", "hml263", target_fps=30)


def test_bad_arrays_are_refused(start: np.ndarray) -> None:
    for data, source in (
        (start[:, :134], "motion135"),
        (np.zeros((4, 21, 3)), "joints"),
        (np.full((4, 263), np.nan), "hml263"),
        (start[:1], "motion135"),
    ):
        with pytest.raises(FormatError):
            convert.convert(data, source, "ms272")

"""Physical metrics in real units, on motions whose answer is known on paper."""

from __future__ import annotations

import numpy as np
import pytest

from backend.errors import FormatError
from backend.evaluation import physical
from backend.evaluation.metrics import physical_metrics

STANDING = np.zeros((22, 3))
STANDING[:, 1] = 1.0
STANDING[[10, 11], 1] = 0.02


def moving(times: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The standing body pushed along x, ``[T, 22, 3]``."""
    joints = np.tile(STANDING, (len(times), 1, 1))
    joints[..., 0] += x[:, None]
    return joints


@pytest.mark.parametrize("fps", [20.0, 30.0, 60.0])
def test_speed_and_jerk_do_not_depend_on_the_frame_rate(fps: float) -> None:
    time = np.arange(40) / fps
    sliding = physical_metrics(moving(time, 0.25 * time), fps)
    assert sliding["foot_sliding_cm_s"] == pytest.approx(25.0)
    assert sliding["foot_low_share"] == 1.0
    assert sliding["jerk_m_s3"] == pytest.approx(0.0, abs=1e-6)
    cubic = physical_metrics(moving(time, 0.5 * time**3), fps)
    assert cubic["jerk_m_s3"] == pytest.approx(3.0)


def test_a_swinging_foot_does_not_slide_while_the_other_stands() -> None:
    joints = moving(np.arange(30) / 30, np.zeros(30))
    joints[:, 10, 0] += np.arange(30) / 30  # 1 m/s, near the ground
    assert physical.support_sliding(joints, 30) == 0.0
    assert physical_metrics(joints, 30)["foot_sliding_cm_s"] == pytest.approx(50.0)
    joints[:, 11, 0] += 0.2 * np.arange(30) / 30
    assert physical_metrics(joints, 30)["support_sliding_cm_s"] == pytest.approx(20.0)
    joints[:, 11, 1] += 0.2
    assert physical.support_sliding(joints, 30) == pytest.approx(100.0)
    joints[:, 10, 1] += 0.2
    assert physical.support_sliding(joints, 30) == 0.0


def test_lifted_feet_do_not_slide() -> None:
    joints = moving(np.arange(10) / 30, np.linspace(0, 1, 10))
    joints[..., 1] += 0.2
    values = physical_metrics(joints, 30)
    assert values["foot_sliding_cm_s"] == 0.0 and values["foot_low_share"] == 0.0
    assert values["ground_gap_cm"] == pytest.approx(22.0)


def test_penetration_is_measured_from_the_ground() -> None:
    joints = moving(np.arange(10) / 30, np.zeros(10))
    joints[:5, :, 1] -= 0.05
    values = physical_metrics(joints, 30)
    assert values["penetration_cm"] == pytest.approx(1.5)  # 3 cm for half of the frames
    assert values["ground_gap_cm"] == pytest.approx(-3.0)
    assert values["penetration"] == 0.0  # MBench's floor is the clip's own lowest foot


def test_peaks_are_counted_as_scipy_does() -> None:
    from scipy.signal import find_peaks

    rng = np.random.default_rng(0)
    answers = set()
    for _ in range(300):
        path = rng.integers(0, 3, (rng.integers(4, 14), 3)).astype(float)  # with plateaus
        gone = path[1:] - path[0]  # the start has no direction from itself
        gone /= np.linalg.norm(gone, axis=-1, keepdims=True) + 1e-6
        angle = np.degrees(np.arccos(np.clip(gone @ gone[-1], -1.0, 1.0)))
        answers.add(physical._wobbles(path))
        assert physical._wobbles(path) == (len(find_peaks(angle)[0]) > 2)
    assert answers == {True, False}


def test_what_it_refuses() -> None:
    good = moving(np.arange(6) / 30, np.zeros(6))
    for bad, fps in ((good[:3], 30), (good[:, :21], 30), (good, 0)):
        with pytest.raises(FormatError):
            physical_metrics(bad, fps)
    good[2, 3, 1] = np.inf
    with pytest.raises(FormatError, match="frame 2"):
        physical_metrics(good, 30)

"""Clean-up on a walk whose contacts are known, clean and spoilt."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from backend.errors import FormatError
from backend.evaluation.physical import physical_metrics
from backend.motion import cleanup, contacts, limb_ik
from backend.motion.representations import motion135
from backend.motion.resample import resample_motion135
from backend.motion.rotations import axis_angle_to_matrix
from backend.motion.skeleton import forward_kinematics, global_rotations, rest_offsets
from backend.wire.skeleton import SOLE_HEIGHT

MotionMaker = Callable[..., np.ndarray]
FRAMES, CYCLE = 120, 30
STRIDE = 0.9  # m per cycle of one second


@pytest.fixture(scope="module")
def walk() -> tuple[np.ndarray, np.ndarray]:
    """A walk along +Z made by IK, ``[120, 135]``, and which foot stands, ``[120, 2]``."""
    time = np.arange(FRAMES) / CYCLE
    root = np.stack([0 * time, 0.86 + 0.01 * np.cos(4 * np.pi * time), STRIDE * time], -1)
    rotations = np.tile(np.eye(3), (FRAMES, 22, 1, 1))
    rotations[:, limb_ik.KNEES] = axis_angle_to_matrix(np.array([0.4, 0.0, 0.0]))
    rest = forward_kinematics(rotations, root)
    ankles = rest[:, limb_ik.ANKLES].copy()
    phase = (time[:, None] + [0.0, 0.5]) % 1.0
    step = np.floor(time[:, None] + [0.0, 0.5]) - [0.0, 0.5]
    swing = np.clip((phase - 0.6) / 0.4, 0.0, 1.0)
    ahead = swing**2 * (3.0 - 2.0 * swing)
    ankles[..., 2] = STRIDE * (step + 0.3 + ahead)
    ankles[..., 1] = (
        SOLE_HEIGHT - rest_offsets()[list(contacts.BALLS), 1] + 0.12 * np.sin(np.pi * swing) ** 2
    )
    limit = np.tile(limb_ik.LEG_LENGTHS.sum(0) * 0.999, (FRAMES, 1))
    rotations = limb_ik.solve_limbs(rotations, root, ankles, limit)
    # the soles stay level: SMPL's ankle is the identity in the world
    world = forward_kinematics(rotations, root)
    assert np.abs(world[:, limb_ik.ANKLES] - ankles).max() < 1e-6
    upper = rotations[:, limb_ik.HIPS] @ rotations[:, limb_ik.KNEES]
    rotations[:, limb_ik.ANKLES] = upper.swapaxes(-1, -2)
    return cleanup.ground(motion135.pack(root, rotations)), phase < 0.6


def spoil(x: np.ndarray, seed: int = 0) -> np.ndarray:
    """Add what models add: a root at the wrong speed, a floating height, jitter."""
    rng = np.random.default_rng(seed)
    root, rotations = motion135.unpack(x)
    time = np.arange(len(x)) / 30
    root[:, 2] += 0.15 * time + 0.03 * np.sin(5 * time)
    root[:, 0] += 0.03 * np.sin(4 * time)
    root[:, 1] += 0.01 * np.sin(7 * time) + rng.normal(0, 0.001, len(x))
    shake = axis_angle_to_matrix(rng.normal(0, 0.006, (len(x), 22, 3)))
    return motion135.pack(root, rotations @ shake)


def metrics(x: np.ndarray) -> dict[str, float]:
    return physical_metrics(motion135.joints(x), 30)


def standing_speed(x: np.ndarray, stands: np.ndarray) -> float:
    """Mean horizontal speed of standing balls in cm/s."""
    balls = motion135.joints(x)[:, contacts.BALLS][..., [0, 2]]
    speed = np.linalg.norm(np.diff(balls, axis=0), axis=-1) * 3000
    return float(speed[stands[1:] & stands[:-1]].mean())


def test_contacts_of_a_clean_walk(walk: tuple[np.ndarray, np.ndarray]) -> None:
    clip, stands = walk
    found = cleanup.detect_contacts(clip)
    assert found.shape == (FRAMES, 2) and found.dtype == bool
    assert (found == stands).mean() > 0.9
    assert (cleanup.detect_contacts(spoil(clip)) == stands).mean() > 0.85


@pytest.mark.parametrize("fps", [20, 60])
def test_contacts_do_not_depend_on_the_frame_rate(
    walk: tuple[np.ndarray, np.ndarray], fps: int
) -> None:
    clip, _ = walk
    other = cleanup.detect_contacts(resample_motion135(clip, 30, fps), fps)
    base = cleanup.detect_contacts(clip)
    index = np.minimum(np.round(np.arange(len(other)) * 30 / fps).astype(int), FRAMES - 1)
    assert (other == base[index]).mean() > 0.93


def test_flight_has_no_contact(walk: tuple[np.ndarray, np.ndarray]) -> None:
    clip = walk[0].copy()
    clip[:, 1] += 0.5
    assert not cleanup.detect_contacts(clip, ground=0.0).any()


def test_spoilt_walk_is_repaired(walk: tuple[np.ndarray, np.ndarray]) -> None:
    clip, stands = walk
    bad = spoil(clip)
    good = cleanup.default_cleanup(bad)
    assert standing_speed(bad, stands) > 15
    assert standing_speed(good, stands) < 0.35 * standing_speed(bad, stands)
    before, after, clean = metrics(bad), metrics(good), metrics(clip)
    assert after["jerk_m_s3"] < 0.6 * before["jerk_m_s3"]
    assert after["foot_sliding_cm_s"] < 1.5 * clean["foot_sliding_cm_s"]
    assert after["penetration_cm"] == 0.0
    balls = motion135.joints(good)[:, contacts.BALLS, 1]
    assert np.median(balls[stands]) == pytest.approx(SOLE_HEIGHT, abs=3e-3)
    assert balls.min() > SOLE_HEIGHT - 0.01


def test_range_of_motion_stays(walk: tuple[np.ndarray, np.ndarray]) -> None:
    clip, _ = walk

    def swing(x: np.ndarray) -> np.ndarray:
        rotations = motion135.unpack(x)[1][:, limb_ik.HIPS + limb_ik.KNEES]
        trace = np.trace(rotations, axis1=-2, axis2=-1)
        low, high = np.percentile(np.arccos(np.clip((trace - 1) / 2, -1, 1)), [5, 95], axis=0)
        return high - low

    np.testing.assert_allclose(swing(cleanup.default_cleanup(clip)), swing(clip), rtol=0.1)
    np.testing.assert_allclose(swing(cleanup.default_cleanup(spoil(clip))), swing(clip), rtol=0.15)


def test_nothing_pops_at_contact_borders(walk: tuple[np.ndarray, np.ndarray]) -> None:
    clip, _ = walk
    bad = cleanup.smooth(spoil(clip))

    def sharpest(x: np.ndarray) -> float:
        legs = motion135.joints(x)[:, [4, 5, 7, 8, 10, 11]]
        return float(np.linalg.norm(np.diff(legs, 2, axis=0), axis=-1).max() * 900)

    assert sharpest(cleanup.lock_feet(bad)) < 1.3 * sharpest(bad)


def test_lock_keeps_foot_orientation_and_upper_body(walk: tuple[np.ndarray, np.ndarray]) -> None:
    bad = spoil(walk[0])
    good = cleanup.lock_feet(bad)
    before, after = motion135.unpack(bad)[1], motion135.unpack(good)[1]
    changed = limb_ik.HIPS + limb_ik.KNEES + limb_ik.ANKLES
    others = [j for j in range(22) if j not in changed]
    np.testing.assert_allclose(after[:, others], before[:, others], atol=1e-9)
    np.testing.assert_allclose(
        global_rotations(after)[:, limb_ik.ANKLES],
        global_rotations(before)[:, limb_ik.ANKLES],
        atol=1e-9,
    )


def test_strength_scales_the_correction(walk: tuple[np.ndarray, np.ndarray]) -> None:
    clip, stands = walk
    bad = spoil(clip)
    np.testing.assert_array_equal(cleanup.lock_feet(bad, strength=0.0), bad)
    speeds = [standing_speed(cleanup.lock_feet(bad, strength=s), stands) for s in (0, 0.5, 1)]
    assert speeds[0] > speeds[1] > speeds[2]


def test_a_clean_walk_is_hardly_changed(walk: tuple[np.ndarray, np.ndarray]) -> None:
    clip, _ = walk
    before, after = (motion135.joints(x) for x in (clip, cleanup.default_cleanup(clip)))
    posed = (after - after[:, :1]) - (before - before[:, :1])
    assert np.linalg.norm(posed, axis=-1).mean() < 0.008
    moved = np.linalg.norm(after[:, 0] - before[:, 0], axis=-1)
    assert moved.max() < 0.02 * STRIDE * FRAMES / CYCLE


def test_a_second_clean_up_does_little(walk: tuple[np.ndarray, np.ndarray]) -> None:
    bad = spoil(walk[0])
    once = cleanup.default_cleanup(bad)
    twice = cleanup.default_cleanup(once)
    first, second = (
        np.linalg.norm(motion135.joints(b) - motion135.joints(a), axis=-1).mean()
        for a, b in ((bad, once), (once, twice))
    )
    assert second < 0.5 * first


def test_swinging_feet_are_kept_clear_of_the_ground(
    walk: tuple[np.ndarray, np.ndarray],
) -> None:
    clip, _ = walk
    root, rotations = motion135.unpack(clip)
    ankles = motion135.joints(clip)[:, limb_ik.ANKLES]
    low = ankles[..., 1].min()
    ankles[..., 1] = low + 0.05 * (ankles[..., 1] - low)
    limit = np.tile(limb_ik.LEG_LENGTHS.sum(0) * 0.999, (FRAMES, 1))
    shuffling = motion135.pack(root, limb_ik.solve_limbs(rotations, root, ankles, limit))

    def fast_height(x: np.ndarray) -> float:
        balls = motion135.joints(x)[:, contacts.BALLS]
        fast = np.linalg.norm(np.gradient(balls[..., [0, 2]], axis=0), axis=-1) * 30 > 1.5
        return float(balls[..., 1][fast].mean()) - SOLE_HEIGHT

    assert fast_height(shuffling) < 0.008
    lifted = fast_height(cleanup.lock_feet(shuffling))
    assert 0.015 < lifted < 0.03
    # a step that is high enough stays as high
    assert fast_height(cleanup.lock_feet(clip)) == pytest.approx(fast_height(clip), abs=0.004)


def test_a_walk_always_has_a_foot_on_the_ground(walk: tuple[np.ndarray, np.ndarray]) -> None:
    clip, _ = walk
    joints = motion135.joints(clip)
    # both feet drift along for a moment, too fast for a contact
    slide = np.zeros(FRAMES)
    slide[60:63] = 0.9 / 30
    slid = joints.copy()
    slid[..., 2] += np.cumsum(slide)[:, None]
    assert contacts.contacts_of_joints(slid, 30, 0.0)[60:63].any(axis=1).all()
    still = joints.copy()
    still[..., 2] += np.cumsum(slide)[:, None]
    still[:, 0] = still[0, 0]  # nobody walks: the body stays where it is
    assert not contacts.contacts_of_joints(still, 30, 0.0)[61].any()


def test_someone_who_turns_on_the_spot_stays_there(make_motion: MotionMaker) -> None:
    clip = cleanup.ground(make_motion(90, turns=1.0))
    clip[:, [0, 2]] = 0.0
    moved = cleanup.lock_feet(clip)[:, [0, 2]]
    assert np.abs(moved).max() < 0.1


def test_given_contacts_are_used(walk: tuple[np.ndarray, np.ndarray]) -> None:
    clip, stands = walk
    bad = spoil(clip)
    none = cleanup.lock_feet(bad, contacts=np.zeros((FRAMES, 2)))
    assert standing_speed(none, stands) == pytest.approx(standing_speed(bad, stands), rel=0.05)
    given = cleanup.lock_feet(bad, contacts=stands)
    assert standing_speed(given, stands) < 0.2 * standing_speed(bad, stands)
    with pytest.raises(ValueError, match="contacts"):
        cleanup.lock_feet(bad, contacts=stands[:-1])
    with pytest.raises(ValueError, match="strength"):
        cleanup.lock_feet(bad, strength=1.5)


def test_smoothing_removes_jitter_and_keeps_a_straight_line(make_motion: MotionMaker) -> None:
    clip = make_motion(90, turns=0.0)
    shaken = spoil(clip)
    assert metrics(cleanup.smooth(shaken))["jerk_m_s3"] < 0.5 * metrics(shaken)["jerk_m_s3"]
    np.testing.assert_allclose(cleanup.smooth(clip), clip, atol=0.01)
    np.testing.assert_array_equal(cleanup.smooth(clip, seconds=0.0), clip)
    line = clip.copy()
    line[:, 3:] = line[0, 3:]
    line[:, :3] = np.linspace([0, 0.9, 0], [1, 1.0, 3], 90)
    np.testing.assert_allclose(cleanup.smooth(line), line, atol=1e-12)


def test_ground_puts_standing_feet_on_the_floor(walk: tuple[np.ndarray, np.ndarray]) -> None:
    clip, stands = walk
    for height in (-0.4, 0.25):
        moved = clip.copy()
        moved[:, 1] += height
        balls = motion135.joints(cleanup.ground(moved))[:, contacts.BALLS, 1]
        assert np.median(balls[stands]) == pytest.approx(SOLE_HEIGHT, abs=2e-3)


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 7])
def test_short_clips(make_motion: MotionMaker, frames: int) -> None:
    out = cleanup.default_cleanup(make_motion(frames).astype(np.float32))
    assert out.shape == (frames, 135) and out.dtype == np.float32
    assert np.isfinite(out).all()


def test_input_is_neither_changed_nor_trusted(walk: tuple[np.ndarray, np.ndarray]) -> None:
    bad = spoil(walk[0])
    copy = bad.copy()
    cleanup.default_cleanup(bad)
    np.testing.assert_array_equal(bad, copy)
    bad[4, 4] = np.nan
    with pytest.raises(FormatError):
        cleanup.default_cleanup(bad)

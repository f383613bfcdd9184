"""Planted feet on other bodies: on the floor, in place, without pops; off changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.motion.representations import motion135
from backend.motion.retarget import (
    Body,
    find_joints,
    make_body,
    of_map,
    performed,
    recognise,
    rest_heads,
    smpl_to_blender,
    to_bone_keys,
    to_motion,
    unpack,
)
from backend.motion.retarget.measures import Standing, measure
from backend.motion.retarget.planting import sole_points

from . import rigs, walking
from .bodies import body

WALKS = {"straight": walking.walk(120), "curve": walking.walk(150, turn=1.5)}


def of_kit(kit: Path, name: str) -> Body:
    skeleton, _ = rigs.load(kit, name)
    return make_body(skeleton, recognise(skeleton.names) or of_map(find_joints(skeleton)))


def standing(made: Body, clip: np.ndarray, feet: float, fps: float = 30.0) -> Standing:
    root, local = unpack(clip)
    pose = performed(made, clip, 30.0, fps, feet=feet)
    return measure(made, pose, root, local, fps)


@pytest.mark.parametrize("name", rigs.TRUE_MAPS)
@pytest.mark.parametrize("walk", WALKS)
def test_feet_stand_on_the_floor_of_every_skeleton(name: str, walk: str, kit: Path) -> None:
    made = of_kit(kit, name)
    found = standing(made, WALKS[walk], 1.0)
    assert found.planted_cm < 0.7 and found.penetration_cm < 1.0
    assert found.flips == 0
    free = standing(made, WALKS[walk], 0.0)
    assert free.limbs_deg < 2.0  # where nothing is held, limbs point as the motion's
    assert found.sliding < max(1.2, 0.5 * free.sliding)


def test_without_it_other_bodies_slide(kit: Path) -> None:
    """The measure can fail: short legs with wide hips slide more than the motion."""
    for name in ("cesium_man", "kaykit_manny"):
        made = of_kit(kit, name)
        free, held = (standing(made, WALKS["curve"], feet) for feet in (0.0, 1.0))
        assert free.planted_cm > 3.0 > held.planted_cm
    assert free.sliding > 1.5 * held.sliding


@pytest.mark.parametrize("name", ["m2m_human", "mpfb_mixamo", "mpfb_default"])
def test_nothing_pops(name: str, kit: Path) -> None:
    assert standing(of_kit(kit, name), WALKS["curve"], 1.0).acceleration < 1.2


def test_off_is_the_plain_retarget_exactly() -> None:
    made = body(smpl_to_blender(rest_heads()) * [1.0, 1.0, 1.15], 2, own_shape=False)
    plain = to_bone_keys(made, WALKS["curve"], 30.0, 30.0)
    off = to_bone_keys(made, WALKS["curve"], 30.0, 30.0, feet=0.0)
    on = to_bone_keys(made, WALKS["curve"], 30.0, 30.0, feet=1.0)
    np.testing.assert_array_equal(plain.rotations, off.rotations)
    arms = [made.of_joint[j] for j in ("left_elbow", "head", "spine2", "right_wrist")]
    np.testing.assert_allclose(plain.rotations[:, arms], on.rotations[:, arms], atol=1e-12)
    assert np.abs(plain.rotations - on.rotations).max() > 1e-3


def test_half_as_strong_is_half_the_way(kit: Path) -> None:
    made = of_kit(kit, "m2m_human")
    heights = []
    for feet in (0.0, 0.5, 1.0):
        heights.append(standing(made, WALKS["straight"], feet).planted_cm)
    assert heights[0] > heights[1] > heights[2]


def test_frames_that_may_not_change_stay(kit: Path) -> None:
    made = of_kit(kit, "m2m_human")
    where = np.zeros(120)
    where[60:] = 1.0
    plain = performed(made, WALKS["straight"], 30.0, 30.0)
    part = performed(made, WALKS["straight"], 30.0, 30.0, feet=1.0, where=where)
    ankle = made.of_joint["left_ankle"]
    apart = np.abs(part.places[:, ankle] - plain.places[:, ankle]).max(-1)
    assert apart[:50].max() < 0.01 and apart[60:].max() > 0.01


def test_the_mannequins_toes_stay_out_of_the_floor() -> None:
    """SMPL's toe tips dip into the floor when a heel is lifted and the toe does not bend."""
    clip = walking.walk(90)
    root, local = motion135.unpack(clip)
    for toe in (10, 11):
        local[:, toe] = np.eye(3)
    stiff = motion135.pack(root, local)
    made = body(smpl_to_blender(rest_heads()), 1)
    tips = []
    for feet in (0.0, 1.0):
        pose = performed(made, stiff, 30.0, 30.0, feet=feet)
        tips.append(min(sole_points(made, pose.turns, pose.places, f).tip[:, 1].min()
                        for f in made.feet))  # fmt: skip
    assert tips[0] < -0.025 and tips[1] > -0.006


def test_a_round_trip_where_nothing_is_held(kit: Path, clip: np.ndarray) -> None:
    for name in ("m2m_human", "mpfb_mixamo", "mpfb_default", "mpfb_cmu_mb"):
        made = of_kit(kit, name)
        keys = to_bone_keys(made, clip, 30.0, 30.0)
        back = to_motion(made, keys.rotations, keys.locations)
        apart = motion135.joints(back.astype(np.float64)) - motion135.joints(clip)
        assert np.abs(apart).max() < 1e-3, name


def test_a_long_take_is_solved_in_windows(kit: Path) -> None:
    made = of_kit(kit, "mpfb_mixamo")
    found = standing(made, walking.walk(1300, turn=4.0), 1.0)
    assert found.planted_cm < 0.7 and found.penetration_cm < 1.0 and found.sliding < 1.2


def test_soles_come_from_the_mesh(kit: Path) -> None:
    """A thick sole lifts the body; a mesh that contradicts the bones is not believed."""
    from dataclasses import replace

    skeleton, _ = rigs.load(kit, "m2m_human")
    rig = recognise(skeleton.names)
    ankle = skeleton.heads[skeleton.index["foot_l"]]
    thick = np.array([[0.0, y, -0.05] for y in np.linspace(-0.2, 0.1, 7)]) + ankle * [1, 1, 0]
    made = make_body(replace(skeleton, soles={"foot_l": thick}), rig)
    assert made.sole == pytest.approx(-0.05, abs=1e-3)
    wild = make_body(replace(skeleton, soles={"foot_l": thick - [0, 0, 2.0]}), rig)
    assert wild.sole == pytest.approx(0.0, abs=0.02)
    robot, data = rigs.load(kit, "quaternius_robotexpressive")
    lowest = data["mesh_lowest_z_world_at_rest"] / 100.0
    robot = replace(robot, lowest=lowest)
    body_ = make_body(robot, of_map(find_joints(robot)))
    assert body_.sole < -0.023  # its feet are there; the mesh says -0.003

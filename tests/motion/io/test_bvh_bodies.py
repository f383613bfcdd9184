"""BVH files that once were read wrongly: upside-down axes, arms without hands, animals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.errors import FormatError
from backend.motion.convert import Clip
from backend.motion.io import body_checks, bvh
from backend.motion.io.bvh_likeness import LIMB_JOINTS, limb_checks
from backend.motion.io.load import read_clip
from backend.motion.representations import motion135
from backend.motion.rotations import rotation_about
from backend.wire.skeleton import JOINT_NAMES
from tests.bvh_bodies import column, dog, person, spider, standing, text

AT = {name: index for index, name in enumerate(JOINT_NAMES)}


def joints_of(path: Path) -> np.ndarray:
    return motion135.joints(read_clip(path).data.astype(np.float64))


def bone(joints: np.ndarray, above: str, below: str) -> np.ndarray:
    vector = joints[0, AT[below]] - joints[0, AT[above]]
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("tips", [True, False])
def test_arms_that_end_in_forearms_keep_their_elbows(tmp_path, tips):
    body = person(hand=False)
    values = standing(body)
    values[:, column(body, "LeftForeArm")] = 60.0  # about Z: the left forearm points up
    path = tmp_path / "no_hands.bvh"
    path.write_text(text(body, values, tips=tips))
    joints = joints_of(path)
    np.testing.assert_allclose(bone(joints, "left_shoulder", "left_elbow"), [1, 0, 0], atol=0.01)
    np.testing.assert_allclose(bone(joints, "left_elbow", "left_wrist"), [0.5, 0.866, 0], atol=0.01)
    np.testing.assert_allclose(bone(joints, "right_elbow", "right_wrist"), [-1, 0, 0], atol=0.01)


@pytest.mark.parametrize("axis,degrees", [("x", -90), ("x", 180), ("z", 90), ("z", -90)])
def test_rest_poses_that_point_anywhere_are_stood_up(tmp_path, axis, degrees):
    body = person()
    path = tmp_path / "turned.bvh"
    turn = rotation_about(axis, np.deg2rad(np.array(float(degrees))))
    values = standing(body)
    values[:, :3] = turn @ values[0, :3]
    path.write_text(text(body, values, world=turn))
    joints = joints_of(path)
    assert bone(joints, "left_hip", "left_knee")[1] < -0.99
    assert bone(joints, "left_shoulder", "left_elbow") @ bone(joints, "right_hip", "left_hip") > 0.9
    assert abs(joints[..., 1].min()) < 0.05


def test_a_world_upside_down_is_turned_as_arrays_of_cameras_are(tmp_path):
    body = person()
    values = standing(body)
    values[:, 1] *= -1
    values[:, 4] = 180.0  # about X: Y down, away from the camera
    path = tmp_path / "camera.bvh"
    path.write_text(text(body, values))
    joints = joints_of(path)
    np.testing.assert_allclose(bone(joints, "left_shoulder", "left_elbow"), [1, 0, 0], atol=0.01)
    assert bone(joints, "left_ankle", "left_foot")[2] > 0.8


@pytest.mark.parametrize("animal,said", [(dog, "four legs"), (spider, "of a leg")])
def test_animals_with_the_limbs_of_a_person_are_refused(tmp_path, animal, said):
    body = animal()
    path = tmp_path / "animal.bvh"
    path.write_text(text(body, standing(body, height=65.0)))
    with pytest.raises(FormatError, match=said):
        read_clip(path)
    assert said in " ".join(read_clip(path, force=True).warnings)


def test_turns_in_any_order_are_those_of_the_product_of_matrices(tmp_path):
    rng = np.random.default_rng(0)
    body = person()
    values = rng.uniform(-180, 180, (1100, 3 + 3 * len(body)))  # more than one stretch of frames
    path = tmp_path / "any.bvh"
    path.write_text(
        text(body, values).replace("Zrotation Xrotation Yrotation", "Yrotation Zrotation Xrotation")
    )
    clip = bvh.read(path)
    angles = np.deg2rad(np.round(values[:, 3:], 6).reshape(len(values), -1, 3))
    turns = [rotation_about(axis, angles[..., k]) for k, axis in enumerate("yzx")]
    np.testing.assert_allclose(
        clip.local_rotations[:, 0], (turns[0] @ turns[1] @ turns[2])[:, 0], atol=1e-12
    )
    world, points = bvh.world_of(clip)
    some, places = bvh.world_of(clip, {len(body) - 1})
    np.testing.assert_allclose(places[:, -1], points[:, -1], atol=1e-9)
    np.testing.assert_allclose(some[:, -1], world[:, -1], atol=1e-9)


def test_helpers_above_a_limb_do_not_turn_it(tmp_path):
    helped = {"LeftUpLeg": 50.0, "RightArm": -70.0}
    body, number = [], {}
    for old, (name, parent, offset) in enumerate(person()):
        if name in ("LeftToeBase", "RightToeBase"):
            continue
        above = number.get(parent, -1)
        if name in helped:
            body.append((f"{name}_ofs", above, offset))
            above, offset = len(body) - 1, (0, 0, 0)
        number[old] = len(body)
        body.append((name, above, offset))
    values = standing(body)
    for name, degrees in helped.items():  # about Z: the helper turns, what hangs on it turns back
        values[:, column(body, f"{name}_ofs")] = degrees
        values[:, column(body, name)] = -degrees
    path = tmp_path / "helped.bvh"
    path.write_text(text(body, values))
    joints = joints_of(path)
    assert bone(joints, "left_hip", "left_knee")[1] < -0.99
    np.testing.assert_allclose(bone(joints, "right_shoulder", "right_elbow"), [-1, 0, 0], atol=0.02)


def test_hips_stand_as_the_file_has_them_when_the_rest_pose_is_twisted(tmp_path):
    body = person()
    turn = rotation_about("y", np.deg2rad(np.array(50.0)))
    above = [j for j, (name, _, _) in enumerate(body) if "Arm" in name or "Shoulder" in name]
    above += [j for j, (name, _, _) in enumerate(body) if "Hand" in name]
    for joint in above:
        name, parent, offset = body[joint]
        body[joint] = (name, parent, tuple(turn @ np.array(offset, dtype=float)))
    values = standing(body)
    values[:, column(body, "Spine1") + 2] = -50.0  # the channels are ZXY: about Y
    path = tmp_path / "twisted.bvh"
    path.write_text(text(body, values))
    joints = joints_of(path)
    assert bone(joints, "right_hip", "left_hip")[0] > np.cos(np.deg2rad(2.0))
    np.testing.assert_allclose(bone(joints, "left_shoulder", "left_elbow"), [1, 0, 0], atol=0.02)
    assert bone(joints, "left_hip", "left_knee")[1] < -0.99


@pytest.mark.parametrize("turned", [0.0, 20.0, 40.0, 80.0])
def test_a_trunk_that_lies_otherwise_than_in_the_file(turned: float) -> None:
    """Shoulders that the file has elsewhere: told above 25 degrees, refused above 60."""
    rest = np.tile(np.eye(3), (3, len(JOINT_NAMES), 1, 1))
    data = motion135.pack(np.tile([0.0, 0.95, 0.0], (3, 1)), rest)
    joints = motion135.joints(data)
    places = {name: joints[:, AT[name]] for name in LIMB_JOINTS}
    about = np.asarray(rotation_about("y", np.radians(turned)))
    for side in ("left", "right"):
        for joint in ("shoulder", "elbow", "wrist"):
            places[f"{side}_{joint}"] = places[f"{side}_{joint}"] @ about.T
    checks = {"trunk_degrees": limb_checks(data, places)["trunk_degrees"]}
    assert checks["trunk_degrees"] == pytest.approx(turned, abs=1.0)
    clip = Clip(data, "motion135", 30.0, checks=checks)
    if turned > 60.0:
        with pytest.raises(FormatError, match=f"The trunk lies {turned:.0f} degrees"):
            body_checks.check(clip, "a.bvh")
        clip = body_checks.check(clip, "a.bvh", force=True)
        assert len(clip.warnings) == 1
    else:
        warnings = body_checks.check(clip, "a.bvh").warnings
        assert ("The trunk lies" in "".join(warnings)) == (turned > 25.0)

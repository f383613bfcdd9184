from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.errors import FormatError
from backend.motion.io import bvh
from backend.motion.representations import motion135
from backend.motion.retarget.profiles import (
    RetargetProfile,
    canonical_rest,
    profile_path,
    retarget,
)
from backend.motion.rotations import euler_to_matrix
from backend.motion.skeleton import JOINT_NAMES, forward_kinematics, joint_index, rest_offsets

from .bvh_files import recording, t_pose_offsets, write_bvh, write_dataset


def test_shipped_profile_holds_proper_rotations() -> None:
    profile = RetargetProfile.load(profile_path("bandai_namco"))
    assert set(profile.joints) <= set(JOINT_NAMES)
    for axes in profile.rest_axes.values():
        assert np.linalg.det(axes) == pytest.approx(1.0, abs=1e-5)


def test_canonical_rest_turns_the_smpl_bones_straight() -> None:
    offsets, rest = rest_offsets(), canonical_rest()
    shin = rest[joint_index("left_knee")] @ offsets[joint_index("left_ankle")]
    assert shin / np.linalg.norm(shin) == pytest.approx([0, -1, 0], abs=1e-9)
    arm = rest[joint_index("right_shoulder")] @ offsets[joint_index("right_elbow")]
    assert arm / np.linalg.norm(arm) == pytest.approx([-1, 0, 0], abs=1e-9)
    toe = rest[joint_index("left_ankle")] @ offsets[joint_index("left_foot")]
    assert toe[0] == pytest.approx(0.0, abs=1e-9) and toe[2] > 0


def test_limbs_point_where_the_recording_points_them(tmp_path: Path) -> None:
    angles, root = recording(3)
    write_bvh(tmp_path / "a.bvh", angles, root)
    clip = bvh.read(tmp_path / "a.bvh")
    profile = RetargetProfile.load(write_dataset(tmp_path / "set")[3])
    motion = retarget(clip, profile)
    own_root, rotations = motion135.unpack(motion)
    ours = forward_kinematics(rotations, own_root)

    local = euler_to_matrix("zxy", np.radians(angles))
    theirs = forward_kinematics(local, root, t_pose_offsets())
    bones = (
        ("left_hip", "left_knee"),
        ("right_knee", "right_ankle"),
        ("left_shoulder", "left_elbow"),
        ("right_elbow", "right_wrist"),
    )
    for parent, child in bones:
        a, b = joint_index(parent), joint_index(child)
        bone, expected = ours[:, b] - ours[:, a], theirs[:, b] - theirs[:, a]
        bone /= np.linalg.norm(bone, axis=-1, keepdims=True)
        expected /= np.linalg.norm(expected, axis=-1, keepdims=True)
        assert np.abs(bone - expected).max() < 2e-3
    hips = [joint_index("left_hip"), joint_index("right_hip")]
    moved = ours[:, hips].mean(1) - theirs[:, hips].mean(1)
    assert np.abs(moved - moved[0]).max() < 2e-3  # same leg length: the hips take the same path
    assert own_root[0, [0, 2]] == pytest.approx([0, 0], abs=1e-6)


def test_source_globals_match_forward_kinematics(tmp_path: Path) -> None:
    angles, root = recording(5, frames=8)
    write_bvh(tmp_path / "a.bvh", angles, root)
    clip = bvh.read(tmp_path / "a.bvh")
    _, positions = bvh.world_of(clip)
    order = [clip.names.index(name) for name in JOINT_NAMES]
    expected = forward_kinematics(
        euler_to_matrix("zxy", np.radians(angles)), root, t_pose_offsets()
    )
    assert np.abs(positions[:, order] / 100.0 - expected).max() < 1e-5


def test_snapping_turns_by_quarter_turns_only(tmp_path: Path) -> None:
    angles, root = recording(1)
    angles[:, 0] = [0.0, 0.0, 97.0]
    write_bvh(tmp_path / "a.bvh", angles, root)
    profile = RetargetProfile.load(write_dataset(tmp_path / "set")[3])
    motion = retarget(bvh.read(tmp_path / "a.bvh"), profile, snap_heading=True)
    _, rotations = motion135.unpack(motion)
    facing = rotations[0, 0] @ [0.0, 0.0, 1.0]
    assert np.degrees(np.arctan2(facing[0], facing[2])) == pytest.approx(7.0, abs=0.01)


def test_missing_joints_and_bad_profiles_are_named(tmp_path: Path) -> None:
    angles, root = recording(1, frames=4)
    write_bvh(tmp_path / "a.bvh", angles, root)
    clip = bvh.read(tmp_path / "a.bvh")
    with pytest.raises(FormatError, match="Hips"):
        retarget(clip, RetargetProfile.load(profile_path("bandai_namco")))
    bad = tmp_path / "bad.json"
    bad.write_text(
        json.dumps({"name": "x", "joints": {}, "rest_axes": {"Hips": [[1, 0, 0]] * 3}}),
        encoding="utf-8",
    )
    with pytest.raises(FormatError, match="Hips"):
        RetargetProfile.load(bad)
    with pytest.raises(FormatError, match="profile"):
        RetargetProfile.load(tmp_path / "none.json")

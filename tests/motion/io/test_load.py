"""Every kind of file is recognised, read at its own rate, and refused with what was expected."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from backend.errors import FormatError, InvalidRequest
from backend.motion.convert import SPECS
from backend.motion.io import bvh, load, npz
from backend.motion.representations import motion135
from backend.motion.rotations import matrix_to_euler_zyx, rotation_about, transpose
from backend.motion.skeleton import global_rotations, joint_index
from backend.wire.messages import Motion

MotionMaker = Callable[..., np.ndarray]


@pytest.mark.parametrize("name", sorted(n for n, spec in SPECS.items() if spec.guessed))
def test_arrays_are_known_by_their_width(tmp_path: Path, name: str) -> None:
    data = np.random.default_rng(0).normal(size=(5, SPECS[name].dim)).astype(np.float32)
    np.save(tmp_path / "a.npy", data)
    clip = load.read_clip(tmp_path / "a.npy")
    assert clip.representation == name and clip.fps == SPECS[name].fps
    np.testing.assert_array_equal(clip.data.reshape(5, -1), data)
    assert load.read_clip(tmp_path / "a.npy", name, fps=12.0).fps == 12.0


def test_widths_that_two_share_go_to_the_likelier_one(tmp_path: Path) -> None:
    for width, likely, other in ((135, "motion135", "babel135"), (66, "joints", "joints66")):
        np.save(tmp_path / "a.npy", np.full((5, width), 0.5, np.float32))
        assert load.read_clip(tmp_path / "a.npy").representation == likely
        clip = load.read_clip(tmp_path / "a.npy", other)
        assert clip.representation == other and clip.fps == 30.0


def test_joint_files_with_hands(tmp_path: Path, clip: np.ndarray) -> None:
    body = motion135.joints(clip[:5].astype(np.float64))
    data = np.concatenate([body, np.repeat(body[:, 20:22], 15, axis=1)], axis=1)
    np.save(tmp_path / "a.npy", data)
    clip = load.read_clip(tmp_path / "a.npy")
    assert clip.representation == "joints"
    np.testing.assert_array_equal(clip.data, data[:, :22])


def test_npz_and_bvh_keep_their_rate(tmp_path: Path, make_motion: MotionMaker) -> None:
    motion = Motion(make_motion(), fps=60.0)
    npz.write_motion(tmp_path / "ours.npz", motion)
    bvh.write_motion(tmp_path / "ours.bvh", motion)
    arrays = {k: v for k, v in npz.read_arrays(tmp_path / "ours.npz").items() if k != "motion_135"}
    np.savez(tmp_path / "amass.npz", **arrays)  # type: ignore[arg-type]
    for name, source in (("ours.npz", "auto"), ("ours.bvh", "bvh"), ("amass.npz", "amass")):
        clip = load.read_clip(tmp_path / name, source)
        assert clip.representation == "motion135" and clip.fps == 60.0
        np.testing.assert_allclose(clip.data, motion.data, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("a.npy", "auto", r"\[T, 263\] \(hml263\)"),
        ("a.npy", "ms272", r"\[T, 272\]"),
        ("a.npy", "amass", r"Expected a \.npz"),
        ("object.npy", "auto", "not a readable"),
        ("a.npz", "hml263", r"\.npy of shape \[T, 263\]"),
        ("a.npz", "auto", "motion_135, or the AMASS keys"),
        ("named.npy", "auto", r"Rename it to \.npz"),
        ("a.txt", "auto", r"ends in \.npz, \.bvh, \.npy"),
        ("none.npy", "auto", "no file"),
    ],
)
def test_refusals_name_what_was_expected(
    tmp_path: Path, name: str, source: str, expected: str
) -> None:
    np.save(tmp_path / "a.npy", np.zeros((4, 9)))
    np.savez(tmp_path / "a.npz", fps=30.0, something=np.zeros(3))
    (tmp_path / "a.npz").with_name("named.npy").write_bytes((tmp_path / "a.npz").read_bytes())
    np.save(tmp_path / "object.npy", np.array([{}], dtype=object))
    (tmp_path / "a.txt").write_text("walk")
    with pytest.raises(FormatError) as caught:
        load.read_clip(tmp_path / name, source)
    assert name in caught.value.message
    with pytest.raises(FormatError, match=expected):
        load.read_clip(tmp_path / name, source)


def test_unknown_format(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="motion138"):
        load.read_clip(tmp_path / "a.npy", "motion138")


# --------------------------------------------------------------------------- CMU-style skeletons

CMU = {
    "Hips": ("", (0.0, 0.0, 0.0), "pelvis"),
    "LHipJoint": ("Hips", (0.0, 0.0, 0.0), ""),
    "LeftUpLeg": ("LHipJoint", (1.4, -1.8, 0.8), "left_hip"),
    "LeftLeg": ("LeftUpLeg", (2.4, -6.7, 0.0), "left_knee"),
    "LeftFoot": ("LeftLeg", (2.5, -6.8, 0.0), "left_ankle"),
    "LeftToeBase": ("LeftFoot", (0.2, -0.6, 2.1), "left_foot"),
    "RightUpLeg": ("Hips", (-1.4, -1.8, 0.8), "right_hip"),
    "RightLeg": ("RightUpLeg", (-2.4, -6.7, 0.0), "right_knee"),
    "RightFoot": ("RightLeg", (-2.5, -6.8, 0.0), "right_ankle"),
    "RightToeBase": ("RightFoot", (-0.2, -0.6, 2.1), "right_foot"),
    "LowerBack": ("Hips", (0.0, 0.1, 0.0), "spine1"),
    "Spine": ("LowerBack", (0.0, 2.0, -0.2), "spine2"),
    "Spine1": ("Spine", (0.0, 2.0, 0.0), "spine3"),
    "Neck": ("Spine1", (0.0, 1.0, 0.0), "neck"),
    "Neck1": ("Neck", (0.0, 1.7, 0.0), ""),
    "Head": ("Neck1", (0.0, 1.7, 0.0), "head"),
    "LeftShoulder": ("Spine1", (0.0, 0.0, 0.0), "left_collar"),
    "LeftArm": ("LeftShoulder", (3.4, 0.0, 0.0), "left_shoulder"),
    "LeftForeArm": ("LeftArm", (5.3, 0.0, 0.0), "left_elbow"),
    "LeftHand": ("LeftForeArm", (3.5, 0.0, 0.0), "left_wrist"),
    "RightShoulder": ("Spine1", (0.0, 0.0, 0.0), "right_collar"),
    "RightArm": ("RightShoulder", (-3.4, 0.0, 0.0), "right_shoulder"),
    "RightForeArm": ("RightArm", (-5.3, 0.0, 0.0), "right_elbow"),
    "RightHand": ("RightForeArm", (-3.5, 0.0, 0.0), "right_wrist"),
}
"""The joints of CMU's Motionbuilder-friendly files: parent, offset, SMPL name."""


def cmu_file(path: Path, motion: np.ndarray, yaw: float = 0.0, prefix: str = "") -> Path:
    """A CMU-style BVH (centimetre-free units, 120 fps) whose bones turn as ``motion``'s do."""
    root, rotations = motion135.unpack(motion)
    world = global_rotations(rotations)
    turn = rotation_about("y", np.array(yaw))
    lines, angles, opened = ["HIERARCHY"], [], []
    before: dict[str, np.ndarray] = {"": np.tile(np.eye(3), (len(root), 1, 1))}
    for name, (parent, offset, smpl) in CMU.items():
        while opened and opened[-1] != parent:
            lines.append("}")
            opened.pop()
        opened.append(name)
        position = "Xposition Yposition Zposition " if not parent else ""
        lines += [f"{'JOINT' if parent else 'ROOT'} {prefix}{name}", "{"]
        lines += ["OFFSET " + " ".join(f"{v:.5f}" for v in turn @ np.array(offset))]
        lines += [f"CHANNELS {6 if not parent else 3} {position}Zrotation Yrotation Xrotation"]
        own = world[:, joint_index(smpl)] @ turn.T if smpl else before[parent]
        before[name] = own
        angles.append(np.rad2deg(matrix_to_euler_zyx(transpose(before[parent]) @ own)))
    lines += ["}"] * len(opened)
    lines += ["MOTION", f"Frames: {len(root)}", "Frame Time: 0.0083333"]
    values = np.concatenate([root / 0.056, np.stack(angles, 1).reshape(len(root), -1)], 1)
    lines += [" ".join(f"{v:.5f}" for v in row) for row in values]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(("yaw", "prefix"), [(0.0, ""), (1.0, "mixamorig:"), (-2.5, "")])
def test_cmu_style(tmp_path: Path, make_motion: MotionMaker, yaw: float, prefix: str) -> None:
    start = make_motion(20, turns=1.0)
    path = cmu_file(tmp_path / "01_01.bvh", start, yaw, prefix)
    clip = load.read_clip(path)
    assert clip.fps == 120.0 and clip.data.shape == (20, 135)
    root, rotations = motion135.unpack(clip.data)
    expected = motion135.unpack(start)[1]
    torso = [joint_index(n) for n in ("pelvis", "spine1", "spine2", "spine3", "left_collar")]
    # SMPL's own hips are not quite level, which a turned rest pose shows
    np.testing.assert_allclose(rotations[:, torso], expected[:, torso], atol=6e-3 if yaw else 1e-4)
    # limbs: the directions of the bones are those of the file
    points = motion135.joints(clip.data)
    source = bvh.world_of(bvh.read(path))[1]
    names = [n.removeprefix(prefix) for n in bvh.read(path).names]
    for a, b, c, d in (
        ("left_hip", "left_knee", "LeftUpLeg", "LeftLeg"),
        ("right_knee", "right_ankle", "RightLeg", "RightFoot"),
        ("right_shoulder", "right_elbow", "RightArm", "RightForeArm"),
    ):
        ours = points[:, joint_index(b)] - points[:, joint_index(a)]
        theirs = source[:, names.index(d)] - source[:, names.index(c)]
        cosine = (ours * theirs).sum(-1)
        cosine /= np.linalg.norm(ours, axis=-1) * np.linalg.norm(theirs, axis=-1)
        assert cosine.min() > 0.9999, (a, b)
    assert 0.7 < root[0, 1] < 1.2


def test_other_rest_poses_and_names_are_read(tmp_path: Path, make_motion: MotionMaker) -> None:
    path = cmu_file(tmp_path / "a.bvh", make_motion(3))
    good = path.read_text()
    want = load.read_clip(path).data
    path.write_text(good.replace("JOINT Head", "JOINT Skull"))
    np.testing.assert_allclose(load.read_clip(path).data, want, atol=1e-6)
    # a forearm that rests hanging: where it points, its hand says
    path.write_text(good.replace("OFFSET 5.30000 0.00000", "OFFSET 0.00000 -5.30000"))
    clip = load.read_clip(path)
    points = motion135.joints(clip.data)
    source = bvh.world_of(bvh.read(path))[1]
    names = bvh.read(path).names
    ours = points[:, joint_index("left_elbow")] - points[:, joint_index("left_shoulder")]
    theirs = source[:, names.index("LeftForeArm")] - source[:, names.index("LeftArm")]
    cosine = (ours * theirs).sum(-1)
    cosine /= np.linalg.norm(ours, axis=-1) * np.linalg.norm(theirs, axis=-1)
    assert cosine.min() > 0.9999


def test_what_is_no_body_is_refused_with_what_was_looked_for(tmp_path: Path) -> None:
    """A crane: four joints in a row."""
    path = tmp_path / "crane.bvh"
    rows = [
        "HIERARCHY",
        "ROOT Base",
        "{",
        "OFFSET 0 0 0",
        "CHANNELS 3 Zrotation Xrotation Yrotation",
    ]
    for name in ("Mast", "Arm", "Hook"):
        rows += [f"JOINT {name}", "{", "OFFSET 0 3 0", "CHANNELS 1 Zrotation"]
    rows += ["}"] * 4 + ["MOTION", "Frames: 1", "Frame Time: 0.04", "0 0 0 1 2 3"]
    path.write_text("\n".join(rows))
    with pytest.raises(FormatError, match=r"no body that can be read: . of 22 joints") as raised:
        load.read_clip(path)
    assert "hips, two legs" in raised.value.hint


KIT_BVH = {
    "15_wide_hips.bvh": 90.0,
}
"""Files of the kit with another truth for their limbs (degrees), see its README."""
_MOTION_BUILDER = {
    "hip": "UpLeg", "knee": "Leg", "ankle": "Foot", "shoulder": "Arm", "elbow": "ForeArm",
    "wrist": "Hand",
}  # fmt: skip


def test_the_kits_files_are_read_rightly(kit: Path) -> None:
    truth = np.load(kit / "files" / "truth.npz")
    names = [str(name) for name in truth["names"]]
    at = {f"{s.lower()}_{j}": names.index(s + n) for s in ("Left", "Right")
          for j, n in _MOTION_BUILDER.items()}  # fmt: skip
    files = sorted((kit / "files").glob("*.bvh"))
    assert len(files) > 12
    for path in files:
        points = motion135.joints(load.read_clip(path).data.astype(np.float64))
        worst = 0.0
        for side in ("left", "right"):
            for a, b in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"),
                         ("elbow", "wrist")):  # fmt: skip
                start, end = f"{side}_{a}", f"{side}_{b}"
                ours = points[:, joint_index(end)] - points[:, joint_index(start)]
                theirs = truth["joints"][:, at[end]] - truth["joints"][:, at[start]]
                cosine = (ours * theirs).sum(-1)
                cosine /= np.linalg.norm(ours, axis=-1) * np.linalg.norm(theirs, axis=-1)
                worst = max(worst, float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).max()))
        assert worst < KIT_BVH.get(path.name, 1.0), (path.name, worst)
        assert abs(points[..., 1].min()) < 0.05, path.name
        if path.name == "15_wide_hips.bvh":
            apart = points[:, joint_index("left_ankle")] - points[:, joint_index("right_ankle")]
            assert abs(100 * apart[0, 0] - 11.0) < 1.0

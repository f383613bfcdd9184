"""BVH: any hierarchy in, SMPL-22 out and back, damage named by line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from backend.errors import FormatError, OutputError
from backend.motion.io import bounds, bvh
from backend.motion.io.load import read_clip
from backend.motion.representations import motion135
from backend.motion.rotations import rotation_about
from backend.wire.messages import Motion
from backend.wire.skeleton import SOLE_HEIGHT

MotionMaker = Callable[..., np.ndarray]

MIXED = """HIERARCHY
ROOT Base
{
  OFFSET 0 1 0
  CHANNELS 6 Zposition Xposition Yposition Yrotation Zrotation Xrotation
  JOINT Arm upper
  {
    OFFSET 2 0 0
    CHANNELS 3 Xrotation Yrotation Zrotation
    End Site
    {
      OFFSET 1 0 0
    }
  }
  JOINT Slider
  {
    OFFSET 0 3 0
    CHANNELS 1 Yposition
    End Site
    {
      OFFSET 0 1 0
    }
  }
}
ROOT Prop
{
  OFFSET 5 5 5
  CHANNELS 0
  End Site
  {
    OFFSET 0 0 1
  }
}
MOTION
Frames: 2
Frame Time: 0.04
3 1 2 90 0 0 10 20 30 7
0 0 0 0 45 30 0 0 0 8
"""


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    path = tmp_path / "mixed.bvh"
    path.write_text(MIXED)
    return path


def test_reads_any_hierarchy_and_channel_order(mixed: Path) -> None:
    clip = bvh.read(mixed)
    assert clip.names == ("Base", "Arm upper", "Slider", "Prop")
    assert clip.parents == (-1, 0, 0, -1)
    assert clip.fps == 25.0
    np.testing.assert_allclose(clip.local_positions[0], [[1, 2, 3], [2, 0, 0], [0, 7, 0], [5] * 3])
    angles = np.deg2rad([10.0, 20.0, 30.0, 90.0, 45.0])
    x, y, z = (rotation_about(a, v) for a, v in zip("xyz", angles[:3], strict=True))
    np.testing.assert_allclose(clip.local_rotations[0, 1], x @ y @ z, atol=1e-12)
    np.testing.assert_allclose(clip.local_rotations[0, 0], rotation_about("y", angles[3]))
    tilted = rotation_about("z", angles[4]) @ rotation_about("x", angles[2])
    np.testing.assert_allclose(clip.local_rotations[1, 0], tilted, atol=1e-12)
    np.testing.assert_array_equal(clip.local_rotations[:, 3], np.tile(np.eye(3), (2, 1, 1)))


def test_windows_line_ends_and_lower_case(mixed: Path) -> None:
    plain = bvh.read(mixed)
    text = MIXED.replace("position", "POSITION").replace("MOTION", "Motion").replace("\n", "\r\n")
    mixed.write_bytes(text.encode())
    np.testing.assert_array_equal(bvh.read(mixed).local_rotations, plain.local_rotations)


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ("HIERARCHY", "<html>", 1, "HIERARCHY"),
        ("OFFSET 2 0 0", "OFFSET 2 0", 8, "3 finite numbers"),
        ("OFFSET 2 0 0", "OFFSET 2 0 x", 8, "not numbers"),
        ("CHANNELS 3 X", "CHANNELS 4 X", 9, "channel list"),
        ("Yrotation Zrotation\n    E", "Yrotation Yrotation\n    E", 9, "channel list"),
        ("CHANNELS 1 Yposition", "CHANNELS 1 Scale", 18, "channel list"),
        ("ROOT Prop\n{", "ROOT Prop\n", 27, "expected {"),
        ("MOTION", "", 35, "unexpected 'Frames: 2'"),
        ("Frames: 2", "Frames: two", 35, "Frames"),
        ("0.04", "0", 36, "frame time"),
        ("0.04", "1e-9", 36, "frame time of 1e-09 seconds"),
        ("0.04", "1e6", 36, "frame time"),
        ("Frames: 2", "Frames: " + "9" * 5000, 35, "Frames"),
        ("45 30 0 0 0 8", "45 30 0 0 0", 38, "10 finite numbers"),
        ("45 30 0 0 0 8", "45 nan 0 0 0 8", 38, "10 finite numbers"),
        ("3 1 2 90", "3 1 2 9o", 37, "not numbers"),
    ],
)
def test_damage_is_named_by_line(mixed: Path, old: str, new: str, line: int, problem: str) -> None:
    assert old in MIXED
    mixed.write_text(MIXED.replace(old, new, 1))
    with pytest.raises(FormatError) as caught:
        bvh.read(mixed)
    assert problem in caught.value.message
    assert f"line {line}:" in caught.value.message


def test_what_is_a_little_wrong_is_read_and_told(mixed: Path) -> None:
    """A byte-order mark, braces on the joint's line, a name twice, another number of frames."""
    want = bvh.read(mixed)
    mixed.write_text("\ufeff" + MIXED.replace("ROOT Prop\n{", "ROOT Prop {"), encoding="utf-8")
    clip = bvh.read(mixed)
    assert clip.names == want.names and clip.warnings == ()
    np.testing.assert_array_equal(clip.local_rotations, want.local_rotations)
    mixed.write_text(MIXED.replace("JOINT Slider", "JOINT Arm upper"))
    clip = bvh.read(mixed)
    assert "Arm upper.2" in clip.names and "Two joints" in clip.warnings[0]
    for announced in ("1", "3"):
        mixed.write_text(MIXED.replace("Frames: 2", f"Frames: {announced}"))
        clip = bvh.read(mixed)
        kept = min(int(announced), 2)
        assert len(clip.local_rotations) == kept and "frames are announced" in clip.warnings[0]


def test_a_frame_time_in_milliseconds_is_taken_so_and_told(mixed: Path) -> None:
    mixed.write_text(MIXED.replace("0.04", "40"))
    clip = bvh.read(mixed)
    assert clip.fps == 25.0 and clip.warnings == ("The frame time 40 was read as milliseconds.",)


def test_commas_before_decimals_are_read(mixed: Path) -> None:
    points = bvh.read(mixed)
    mixed.write_text(MIXED.replace(".", ","))
    commas = bvh.read(mixed)
    assert commas.fps == points.fps == 25.0
    np.testing.assert_array_equal(commas.local_positions, points.local_positions)
    np.testing.assert_array_equal(commas.local_rotations, points.local_rotations)


def test_no_file_becomes_far_more_than_it_is(mixed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Joints without channels take no bytes of a frame, yet a place in it."""
    bone = "    JOINT b{n}\n{{\nOFFSET 0 1 0\n}}\n"
    joints = "".join(bone.format(n=n) for n in range(900))
    head = "HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\nCHANNELS 1 Xposition\n"
    mixed.write_text(head + joints + "}\nMOTION\nFrames: 2000\nFrame Time: 0.04\n" + "0\n" * 2000)
    with pytest.raises(FormatError, match="901 joints in 2000 frames, most of them without"):
        bvh.read(mixed)
    mixed.write_text(head + joints * 2 + "}\nMOTION\nFrames: 1\nFrame Time: 0.04\n0\n")
    with pytest.raises(FormatError, match="more than 1000 joints"):
        bvh.read(mixed)
    monkeypatch.setattr(bounds, "MAX_BVH_BYTES", 100)
    with pytest.raises(FormatError, match="is larger than"):
        bvh.read(mixed)


def test_truncated_anywhere_is_a_format_error(mixed: Path) -> None:
    for end in range(0, len(MIXED) - 3, 7):
        mixed.write_text(MIXED[:end])
        with pytest.raises(FormatError):
            bvh.read(mixed)


def test_missing_or_binary_file(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="Cannot read"):
        bvh.read(tmp_path / "none.bvh")
    (tmp_path / "noise.bvh").write_bytes(bytes(range(256)) * 8)
    with pytest.raises(FormatError, match="HIERARCHY"):
        bvh.read(tmp_path / "noise.bvh")


@pytest.mark.parametrize("unit", ["m", "cm"])
@pytest.mark.parametrize("order", ["ZYX", "ZXY"])
def test_smpl_round_trip(tmp_path: Path, make_motion: MotionMaker, unit: str, order: str) -> None:
    motion = Motion(make_motion(turns=2.0), meta={"prompt": "spin"})
    bvh.write_motion(tmp_path / "spin.bvh", motion, unit=unit, order=order)
    back = bvh.read_motion(tmp_path / "spin.bvh")
    np.testing.assert_allclose(back.data, motion.data, atol=1e-4)
    assert back.fps == 30.0


@pytest.mark.parametrize("unit", ["m", "cm"])
def test_other_programs_stand_it_on_their_floor(
    tmp_path: Path, make_motion: MotionMaker, unit: str
) -> None:
    """The root's OFFSET is the standing height; the channels are the place, read back equal."""
    data = make_motion(12)
    bvh.write_motion(tmp_path / "x.bvh", Motion(data, 30.0), unit=unit)
    clip = bvh.read(tmp_path / "x.bvh")
    metre = bvh.UNITS[unit]
    rest = clip.offsets.copy()
    for joint, parent in enumerate(clip.parents):
        rest[joint] += rest[parent] if parent >= 0 else 0.0
    assert rest[:, 1].min() == pytest.approx(SOLE_HEIGHT * metre, abs=1e-5 * metre)
    root = data[:, motion135.SPEC.columns("root_translation")]
    np.testing.assert_allclose(clip.local_positions[:, 0], metre * root, atol=2e-6 * metre)
    for text in ("pelvis", "Pelvis"):  # also where a program renames the root as MotionStreamer
        (tmp_path / "y.bvh").write_text(
            (tmp_path / "x.bvh").read_text().replace("ROOT pelvis", f"ROOT {text}")
        )
        read = read_clip(tmp_path / "y.bvh")
        np.testing.assert_allclose(read.data, data, atol=2e-5)


def test_written_angles_never_jump(tmp_path: Path, make_motion: MotionMaker) -> None:
    bvh.write_motion(tmp_path / "spin.bvh", Motion(make_motion(turns=2.0)))
    rows = (tmp_path / "spin.bvh").read_text().split("Frame Time:")[1].splitlines()[1:]
    values = np.array([row.split() for row in rows], dtype=float)
    assert values.shape == (48, 3 + 66)
    assert np.abs(np.diff(values[:, 3:], axis=0)).max() < 60


def test_gimbal_lock_round_trip(tmp_path: Path, make_motion: MotionMaker) -> None:
    root, rotations = motion135.unpack(make_motion(4))
    for order, axis in (("ZYX", "y"), ("ZXY", "x")):
        rotations[:, 5] = rotation_about("z", np.array(0.4)) @ rotation_about(
            axis, np.array([np.pi / 2, -np.pi / 2, 1.5, np.pi / 2])
        )
        motion = Motion(motion135.pack(root, rotations))
        bvh.write_motion(tmp_path / "lock.bvh", motion, order=order)
        np.testing.assert_allclose(
            bvh.read_motion(tmp_path / "lock.bvh").data, motion.data, atol=1e-4
        )


def test_other_rate_is_resampled(tmp_path: Path, make_motion: MotionMaker) -> None:
    bvh.write_motion(tmp_path / "a.bvh", Motion(make_motion(41), fps=60))
    assert bvh.read_motion(tmp_path / "a.bvh").data.shape == (21, 135)


def test_foreign_skeletons_and_options_are_refused(tmp_path: Path, mixed: Path) -> None:
    with pytest.raises(FormatError, match="no joint named pelvis"):
        bvh.read_motion(mixed)
    motion = Motion(np.tile(np.eye(3)[:, :2].reshape(6), (2, 23))[:, 3:])
    with pytest.raises(OutputError, match="inch"):
        bvh.write_motion(tmp_path / "a.bvh", motion, unit="inch")
    bvh.write_motion(tmp_path / "a.bvh", motion)
    text = (tmp_path / "a.bvh").read_text().replace("OFFSET 0.259600 -0.0128", "OFFSET 0.01 -0.3")
    (tmp_path / "a.bvh").write_text(text)
    with pytest.raises(FormatError, match="left_elbow"):
        bvh.read_motion(tmp_path / "a.bvh")

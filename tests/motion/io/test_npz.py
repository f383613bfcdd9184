"""npz: an exact round trip, AMASS readers' keys, and refusal of anything else."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from backend.errors import FormatError, OutputError
from backend.motion.io import bounds, load, npz
from backend.motion.representations import motion135
from backend.motion.rotations import axis_angle_to_matrix, matrix_to_rot6d_column
from backend.wire.messages import Motion

MotionMaker = Callable[..., np.ndarray]
META = {"prompt": "grüßt 手", "seed": 3, "params": {"steps": 50, "guidance": 2.5}}


@pytest.fixture
def motion(make_motion: MotionMaker) -> Motion:
    return Motion(make_motion(), meta=META)


@pytest.fixture
def file(tmp_path: Path, motion: Motion) -> Path:
    npz.write_motion(tmp_path / "walk.npz", motion)
    return tmp_path / "walk.npz"


def rewrite(path: Path, drop: tuple[str, ...] = (), **changes: object) -> Path:
    arrays = {k: v for k, v in npz.read_arrays(path).items() if k not in drop}
    np.savez(path, **(arrays | changes))
    return path


def test_round_trip_is_exact(file: Path, motion: Motion) -> None:
    back = npz.read_motion(file)
    np.testing.assert_array_equal(back.data, motion.data)
    assert back.fps == 30.0 and back.meta == META


def test_keys_for_amass_readers(file: Path, motion: Motion) -> None:
    with np.load(file, allow_pickle=False) as arrays:
        poses, trans = arrays["poses"], arrays["trans"]
        assert poses.shape == (48, 156) and not poses[:, 66:].any()
        np.testing.assert_array_equal(arrays["root_orient"], poses[:, :3])
        np.testing.assert_array_equal(arrays["pose_body"], poses[:, 3:66])
        assert arrays["betas"].shape == (16,) and str(arrays["gender"]) == "neutral"
        for key in ("mocap_frame_rate", "mocap_framerate", "fps"):
            assert float(arrays[key]) == 30.0
    root, rotations = motion135.unpack(motion.data)
    z_up = np.stack([root[:, 0], -root[:, 2], root[:, 1]], -1)
    np.testing.assert_allclose(trans + npz.REST_PELVIS, z_up, atol=1e-6)
    head_up = axis_angle_to_matrix(poses[:, :3])[:, :, 1]  # body Y in a Z-up world
    x, y, z = np.moveaxis(rotations[:, 0, :, 1], -1, 0)
    np.testing.assert_allclose(head_up, np.stack([x, -z, y], -1), atol=1e-5)


def test_amass_file_without_our_keys(file: Path, motion: Motion) -> None:
    rewrite(file, drop=("motion_135", "kinetype_meta", "mocap_frame_rate", "fps"))
    np.testing.assert_allclose(npz.read_motion(file).data, motion.data, atol=2e-6)
    rewrite(file, drop=("poses",), mocap_framerate=np.array(60.0))
    back = npz.read_motion(file)
    assert back.data.shape == (25, 135) and back.fps == 30.0
    np.testing.assert_allclose(back.data[1], motion.data[2], atol=2e-6)


def test_pickled_extras_of_foreign_files_are_not_loaded(file: Path, motion: Motion) -> None:
    rewrite(file, extra=np.array([{"a": 1}], dtype=object))
    np.testing.assert_array_equal(npz.read_motion(file).data, motion.data)
    rewrite(file, motion_135=np.array([{"a": 1}], dtype=object))
    with pytest.raises(FormatError, match="shape"):
        npz.read_motion(file)


@pytest.mark.parametrize(
    ("drop", "changes", "message"),
    [
        ((), {"motion_135": np.zeros((4, 134))}, "shape"),
        ((), {"motion_135": np.zeros((0, 135))}, "1 frames"),
        ((), {"motion_135": np.full((4, 135), np.nan)}, "NaN"),
        ((), {"motion_135": np.full((4, 135), "x")}, "not numbers"),
        ((), {"mocap_frame_rate": np.array(0.0)}, "frame rate"),
        ((), {"mocap_frame_rate": np.array([30.0, 30.0])}, "frame rate"),
        ((), {"mocap_frame_rate": np.array("fast")}, "frame rate"),
        (("mocap_frame_rate", "mocap_framerate", "fps"), {}, "frame rate"),
        ((), {"kinetype_meta": np.array("{")}, "JSON"),
        ((), {"kinetype_meta": np.array("[1]")}, "JSON object"),
        ((), {"kinetype_meta": np.array("[" * 100_000)}, "JSON"),
        (("motion_135", "poses", "pose_body"), {}, "'poses'"),
        (("motion_135",), {"poses": np.zeros((48, 60))}, "poses"),
        (("motion_135",), {"poses": np.zeros((47, 156))}, "47 poses but 48"),
        (("motion_135",), {"trans": np.full((48, 3), np.inf)}, "trans"),
    ],
)
def test_wrong_content_is_named(
    file: Path, drop: tuple[str, ...], changes: dict[str, object], message: str
) -> None:
    rewrite(file, drop, **changes)
    with pytest.raises(FormatError, match=message):
        npz.read_motion(file)


def test_damaged_files(tmp_path: Path, file: Path) -> None:
    whole = file.read_bytes()
    for end in (0, 10, len(whole) // 2, len(whole) - 30):
        file.write_bytes(whole[:end])
        with pytest.raises(FormatError):
            npz.read_motion(file)
    middle = len(whole) // 3
    file.write_bytes(whole[:middle] + bytes(64) + whole[middle + 64 :])
    with pytest.raises(FormatError):
        npz.read_motion(file)
    for name, content in (("text.npz", b"hello"), ("pickle.npz", b"\x80\x04K\x01.")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FormatError, match="not a readable npz"):
            npz.read_motion(tmp_path / name)
    np.save(tmp_path / "array.npy", np.zeros((4, 135)))
    with pytest.raises(FormatError, match="single array"):
        npz.read_motion(tmp_path / "array.npy")
    with pytest.raises(FormatError, match="no file"):
        npz.read_motion(tmp_path / "none.npz")
    with pytest.raises(FormatError):
        npz.read_motion(tmp_path)


def test_bad_values_are_not_written(tmp_path: Path, motion: Motion) -> None:
    broken = Motion(np.where(np.arange(135) == 5, np.nan, motion.data))
    with pytest.raises(FormatError, match="NaN"):
        npz.write_motion(tmp_path / "a.npz", broken)
    with pytest.raises(FormatError, match="JSON"):
        npz.write_motion(tmp_path / "a.npz", Motion(motion.data, meta={"x": object()}))
    with pytest.raises(OutputError):
        npz.write_motion(tmp_path, motion)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("order", ["row", "column"])
def test_files_of_hftrainers_ik(tmp_path: Path, motion: Motion, order: str) -> None:
    data = motion.data.copy()
    if order == "column":
        rot6d = matrix_to_rot6d_column(motion135.unpack(motion.data)[1])
        data[:, 3:] = rot6d.reshape(len(data), -1)
    path = tmp_path / "fit.npz"
    np.savez(path, motion_135=data, target_fps=30, source_fps=20, rot6d_convention=order)
    np.testing.assert_allclose(npz.read_motion(path).data, motion.data, atol=1e-6)
    np.savez(path, motion_135=data, target_fps=30, rot6d_convention="zigzag")
    with pytest.raises(FormatError, match="zigzag"):
        npz.read_motion(path)


def test_smpl_translations_of_that_ik_become_the_pelvis(tmp_path: Path, motion: Motion) -> None:
    transl = motion.data.copy()
    transl[:, :3] -= npz.REST_PELVIS.astype(np.float32)
    path = tmp_path / "fit.npz"
    common = {"target_fps": 30, "rot6d_convention": "row"}
    np.savez(path, motion_135=transl, transl=transl[:, :3], **common)
    np.testing.assert_allclose(npz.read_motion(path).data, motion.data, atol=1e-6)
    # with the fitted joints beside it, the body's own pelvis counts
    fitted = motion135.joints(motion.data) + np.float32([0.0, -0.1, 0.0])
    np.savez(path, motion_135=transl, transl=transl[:, :3], fitted_joints=fitted, **common)
    expected = motion.data - np.float32([0.0, 0.1, 0.0, *[0.0] * 132])
    np.testing.assert_allclose(npz.read_motion(path).data, expected, atol=1e-5)
    # a pelvis stays where it is, whatever else lies in the file
    np.savez(path, motion_135=motion.data, transl=transl[:, :3], **common)
    np.testing.assert_allclose(npz.read_motion(path).data, motion.data, atol=1e-6)


def _claim(shape: tuple[int, ...]) -> bytes:
    """A .npy file that announces an array of ``shape`` and holds four frames."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    return stream.getvalue() + bytes(4 * 135 * 4)


@pytest.mark.parametrize("frames", [5, 10**12, 10**30])
def test_a_header_that_claims_more_than_there_is(tmp_path: Path, frames: int) -> None:
    path = tmp_path / "claim.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("motion_135.npy", _claim((frames, 135)))
    with pytest.raises(FormatError, match="not a readable npz"):
        npz.read_motion(path)
    bare = tmp_path / "claim.npy"
    bare.write_bytes(_claim((frames, 135)))
    with pytest.raises(FormatError, match="not a readable"):
        load.read_clip(bare)


def test_an_archive_that_unpacks_to_too_much_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, motion_135=np.zeros((4000, 135)))
    assert path.stat().st_size < 20_000
    monkeypatch.setattr(bounds, "UNPACKED_FREE", 1_000_000)
    monkeypatch.setattr(bounds, "UNPACKED_TIMES", 1)
    monkeypatch.setattr(zipfile.ZipFile, "open", None)  # nothing may be unpacked
    with pytest.raises(FormatError, match="too much for a motion"):
        npz.read_motion(path)


def test_an_encrypted_archive_is_refused(tmp_path: Path, file: Path) -> None:
    data = bytearray(file.read_bytes())
    for header, flags in ((data.index(b"PK\x03\x04"), 6), (data.index(b"PK\x01\x02"), 8)):
        data[header + flags] |= 1
    file.write_bytes(data)
    with pytest.raises(FormatError, match="not a readable npz"):
        npz.read_motion(file)

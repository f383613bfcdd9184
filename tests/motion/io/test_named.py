"""Persons, tracks and samples in the files of video estimators, joblib's among them."""

from __future__ import annotations

import pickle
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.errors import FormatError
from backend.motion.io import formats
from backend.motion.io.array_layouts import TO_Y_UP
from backend.motion.io.load import read_clip
from backend.motion.kimodo_body import from_motion135
from backend.motion.representations import motion135
from backend.motion.representations.kimodo_skeletons import skeleton
from backend.motion.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from tests.joblib_files import dump

REST = np.array([-0.002, -0.223, 0.028])


@pytest.fixture
def params(clip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """SMPL's axis-angles ``[T, 72]`` and translation ``[T, 3]`` of a swinging clip, Y-up."""
    root, rotations = motion135.unpack(clip.astype(np.float64))
    poses = np.zeros((len(clip), 72))
    poses[:, :66] = matrix_to_axis_angle(rotations).reshape(len(clip), 66)
    return poses, root - REST


def count(path: Path) -> int:
    row = formats.by_suffix(path)
    assert row is not None
    return row.count(path)


@pytest.mark.parametrize(("compress", "protocol"), [(0, 4), (0, 2), (3, 4), (3, 5)])
def test_wham_through_joblib(
    tmp_path: Path,
    clip: np.ndarray,
    params: tuple[np.ndarray, np.ndarray],
    compress: int,
    protocol: int,
) -> None:
    poses, trans = params
    half = len(poses) // 2
    content: dict[object, dict[str, object]] = defaultdict(dict)
    for person, part in ((0, slice(half)), (np.int64(7), slice(None))):
        content[person] = {
            "pose": 0.5 * poses[part], "trans": trans[part] + 9.0,
            "pose_world": poses[part].astype(np.float32), "trans_world": trans[part],
            "betas": np.zeros((len(poses[part]), 10)), "frame_ids": np.arange(len(poses[part])),
            "verts": np.asfortranarray(np.ones((len(poses[part]), 5, 3))),
        }  # fmt: skip
    path = tmp_path / "wham_output.pkl"
    dump(content, path, compress=compress, protocol=protocol)
    assert count(path) == 2
    with pytest.raises(FormatError, match="frame rate"):
        read_clip(path)
    whole = read_clip(path, fps=30.0)  # who is seen longest comes first
    np.testing.assert_allclose(whole.data, clip, atol=2e-5)
    assert "2 motions" in whole.warnings[0] and "7" in whole.warnings[0]
    other = read_clip(path, fps=30.0, sample=1)
    np.testing.assert_allclose(other.data, clip[:half], atol=2e-5)
    assert not any("motions" in text for text in other.warnings)
    with pytest.raises(FormatError, match="no number 2"):
        read_clip(path, fps=30.0, sample=2)


def test_damaged_and_foreign_joblib_files(tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    dump({"poses": np.zeros((9, 72)), "fps": 30.0}, path)
    whole = path.read_bytes()
    for end in range(0, len(whole) - 1, max(len(whole) // 40, 1)):
        path.write_bytes(whole[:end])
        with pytest.raises(FormatError):
            read_clip(path)
    claim = whole.replace(b"K\x09KH\x86", b"K\x7fKH\x86")  # more frames than there are
    assert claim != whole
    path.write_bytes(claim)
    with pytest.raises(FormatError):
        read_clip(path)
    dump({"poses": np.array([{}, 3], dtype=object)}, path)
    with pytest.raises(FormatError, match="arrays of objects"):
        read_clip(path)
    path.write_bytes(b"BZh91AY" + whole)
    with pytest.raises(FormatError, match="bzip2"):
        read_clip(path)


def phalp(poses: np.ndarray, trans: np.ndarray, unseen: range) -> dict[str, dict[str, object]]:
    """Frames of a video: track 4 throughout, track 9 in the first five; Y down, as cameras see."""
    flip = TO_Y_UP["-y"]
    frames: dict[str, dict[str, object]] = {}
    for time, pose in enumerate(poses):
        turns = axis_angle_to_matrix(pose.reshape(24, 3)).astype(np.float32)
        turns[0] = flip @ turns[0]
        ids = [4, 9] if time < 5 else [4]
        body = {"global_orient": turns[:1], "body_pose": turns[1:], "betas": np.zeros(10)}
        ghost = int(time in unseen)
        frames[f"img/{time:06d}.jpg"] = {
            "time": time, "shot": 0, "tid": ids, "tracked_time": [ghost, 0][: len(ids)],
            "smpl": [body if not ghost else {**body, "body_pose": 0 * turns[1:] + np.eye(3)}] * 2,
            "camera": [flip @ (trans[time] + REST) - REST] * 2, "conf": [np.float32(0.9)],
            "mask": [{"size": [2, 2], "counts": b"x"}], "annotations": [],
        }  # fmt: skip
    return frames


@pytest.mark.parametrize("compress", [0, 3])
def test_tracks_of_phalp(
    tmp_path: Path, clip: np.ndarray, params: tuple[np.ndarray, np.ndarray], compress: int
) -> None:
    path = tmp_path / "demo_x.pkl"
    dump(phalp(*params, unseen=range(8, 10)), path, compress=compress)
    assert count(path) == 2
    read = read_clip(path, fps=30.0)
    said = " ".join(read.warnings)
    assert "track 4" in said and "camera" in said and "not seen in 2 of" in said
    seen = [t for t in range(len(clip)) if t not in (8, 9)]
    np.testing.assert_allclose(read.data[seen], clip[seen], atol=2e-5)
    np.testing.assert_allclose(read.data, clip, atol=0.1)  # the gap is made of its neighbours
    assert len(read_clip(path, fps=30.0, sample=1).data) == 5


@pytest.mark.parametrize("whole", [True, False])
def test_romp(
    tmp_path: Path, clip: np.ndarray, params: tuple[np.ndarray, np.ndarray], whole: bool
) -> None:
    poses, trans = params
    frames = {
        f"{t:05d}.jpg": {
            "smpl_thetas": poses[t : t + 1].astype(np.float32), "cam_trans": trans[t : t + 1],
            "track_ids": np.array([3]), "joints": np.zeros((1, 71, 3)),
        }
        for t in range(len(poses))
    }  # fmt: skip
    track: dict[str, list[object]] = defaultdict(list)
    for t in range(len(poses)):
        track["smpl_thetas"].append(poses[t])
        track["cam_trans"].append(trans[t])
        track["frame_id"].append(t)
    arrays: dict[str, object] = {"results": frames}
    if whole:
        arrays["sequence_results"] = {3: track}
    path = tmp_path / "video_results.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    read = read_clip(path, fps=30.0)
    np.testing.assert_allclose(read.data, clip, atol=2e-5)
    np.savez(path, results=frames["00004.jpg"])  # type: ignore[arg-type]
    np.testing.assert_allclose(read_clip(path, fps=30.0).data, clip[4:5], atol=2e-5)


@pytest.mark.parametrize("key", ["joints", "joints3d", "keypoints3d", "posed_joints", "my_points"])
def test_an_npz_of_joints_only(tmp_path: Path, clip: np.ndarray, key: str) -> None:
    points = motion135.joints(clip)
    np.savez(tmp_path / "x.npz", **{key: 1000.0 * points, "fps": 25.0})
    read = read_clip(tmp_path / "x.npz")
    assert (read.representation, read.fps) == ("joints", 25.0)
    np.testing.assert_allclose(read.data, points, atol=1e-4)
    assert "millimetres" in " ".join(read.warnings)
    np.savez(tmp_path / "x.npz", **{key: points, "poses": np.zeros((len(points), 72)), "fps": 25})
    assert read_clip(tmp_path / "x.npz").representation == "motion135"  # rotations say more
    np.savez(tmp_path / "x.npz", **{key: np.random.default_rng(0).normal(size=(9, 22, 3))})
    with pytest.raises(FormatError):
        read_clip(tmp_path / "x.npz")


@pytest.mark.parametrize("name", ["smplx22", "soma30"])
def test_kimodos_own_files(tmp_path: Path, clip: np.ndarray, name: str) -> None:
    bones = skeleton(name)
    world, root = from_motion135(clip, bones)
    np.savez(
        tmp_path / "k.npz",
        posed_joints=bones.positions(world, root),
        global_rot_mats=world,
        root_positions=root,
    )
    read = read_clip(tmp_path / "k.npz")
    assert (read.representation, read.fps) == ("motion135", 30.0)
    np.testing.assert_allclose(read.data, clip, atol=1e-4)


def test_batches_of_joints(tmp_path: Path, clip: np.ndarray) -> None:
    points = motion135.joints(clip)
    both = np.stack([points, 1.02 * points])
    for name, array in (
        ("frames first", both), ("time last", both.transpose(0, 2, 3, 1)),
        ("flat", both.reshape(2, len(clip), 66)),
    ):  # fmt: skip
        path = tmp_path / f"{name}.npy"
        np.save(path, array)
        assert count(path) == 2, name
        assert "2 motions" in " ".join(read_clip(path).warnings)
        np.testing.assert_allclose(read_clip(path, sample=1).data, both[1], atol=1e-5)


@pytest.mark.parametrize("suffix", [".npy", ".pkl"])
def test_tensors_in_ordinary_pickles(
    tmp_path: Path, clip: np.ndarray, params: tuple[np.ndarray, np.ndarray], suffix: str
) -> None:
    """As TRAM saves its tracks: a dictionary of PyTorch's tensors, pickled by NumPy."""
    poses, trans = params
    turns = torch.from_numpy(axis_angle_to_matrix(poses.reshape(-1, 24, 3)))
    wide = torch.cat([turns, turns], dim=1).float()
    content = {
        "pred_rotmat": wide[:, :24],  # a view, so that strides count
        "pred_trans": torch.from_numpy(trans)[:, None].float(),
        "pred_shape": torch.zeros(len(poses), 10, dtype=torch.float16),
        "frame": torch.arange(len(poses)),
    }
    path = tmp_path / f"hps_track_0{suffix}"
    if suffix == ".npy":
        np.save(path, content, allow_pickle=True)  # type: ignore[arg-type]
    else:
        path.write_bytes(pickle.dumps(content))
    np.testing.assert_allclose(read_clip(path, fps=30.0).data, clip, atol=2e-5)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"K\x18K\x03K\x03", b"K\x7fK\x7fK\x03"))  # a larger tensor
    assert path.read_bytes() != whole
    with pytest.raises(FormatError, match="damaged"):
        read_clip(path, fps=30.0)

"""Outputs are checked before anything is generated, and nothing is left behind by checking."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from backend.cli import outputs
from backend.errors import InvalidRequest, OutputError
from backend.motion.io import bvh, npz
from backend.wire.messages import Motion


def test_one_sample_keeps_its_names(tmp_path: Path) -> None:
    wanted = [tmp_path / "walk.npz", tmp_path / "walk.blend", tmp_path / "walk.BVH"]
    (sample,) = outputs.plan(wanted, samples=1)
    assert sample.motion_files == (wanted[0], wanted[2])
    assert sample.blender_files == (wanted[1],)


def test_several_samples_are_numbered(tmp_path: Path) -> None:
    planned = outputs.plan([tmp_path / "walk.npz"], samples=3)
    names = [sample.motion_files[0].name for sample in planned]
    assert names == ["walk_00.npz", "walk_01.npz", "walk_02.npz"]


def test_checking_creates_nothing(tmp_path: Path) -> None:
    outputs.plan([tmp_path / "new" / "folder" / "walk.npz"], samples=2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["walk", "walk.obj", "walk.npz.gz", ".npz"])
def test_unknown_suffix(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidRequest, match="suffix") as caught:
        outputs.plan([tmp_path / name], samples=1)
    assert ".npz" in caught.value.hint


def test_same_output_twice(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="twice"):
        outputs.plan([tmp_path / "walk.npz", tmp_path / "walk.npz"], samples=1)


def test_same_output_by_another_way(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="twice"):
        outputs.plan([tmp_path / "walk.npz", tmp_path / "x" / ".." / "walk.npz"], samples=1)


def test_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="too long"):
        outputs.plan([tmp_path / f"{'w' * 300}.npz"], samples=1)


def test_the_longest_names_can_be_written(tmp_path: Path, clip: np.ndarray) -> None:
    path = tmp_path / f"{'走' * 83}.npz"  # 253 bytes; file systems allow 255
    outputs.plan([path], samples=1)
    outputs.write_motion(path, Motion(clip))
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_no_output(tmp_path: Path) -> None:
    (tmp_path / "walk.npz").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        outputs.plan([tmp_path / "walk.npz"], samples=1)


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(OutputError, match="Cannot write"):
        outputs.plan([tmp_path / "taken" / "walk.npz"], samples=1)
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"
)
def test_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="Cannot write"):
        outputs.plan([tmp_path / "walk.npz"], samples=1)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a read-only file system")
def test_read_only_file_system() -> None:
    with pytest.raises(OutputError, match="Cannot write"):
        outputs.plan([Path("/proc/walk.npz")], samples=1)


def test_no_overwrite_protects_every_sample(tmp_path: Path) -> None:
    (tmp_path / "walk_01.npz").write_text("mine")
    outputs.plan([tmp_path / "walk.npz"], samples=2)
    with pytest.raises(OutputError, match="exists already"):
        outputs.plan([tmp_path / "walk.npz"], samples=2, overwrite=False)


def test_motion_formats_hold_the_motion(tmp_path: Path, clip: np.ndarray) -> None:
    motion = Motion(clip, meta={"prompt": "made up"})
    for suffix in outputs.MOTION_SUFFIXES:
        outputs.write_motion(tmp_path / f"a{suffix}", motion)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), motion.data)
    np.testing.assert_array_equal(npz.read_motion(tmp_path / "a.npz").data, motion.data)
    assert len(bvh.read(tmp_path / "a.bvh").local_rotations) == len(motion.data)


def test_first_error_counts_the_others() -> None:
    outputs.raise_first([])
    with pytest.raises(OutputError, match=r"disk full.*2 more"):
        outputs.raise_first([OutputError(f"{name}.") for name in ("disk full", "b", "c")])

"""Every command that reads a motion file reads it as told."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest

from backend.cli import motion_options, visualise
from backend.cli.main import build_parser
from backend.errors import FormatError, InvalidRequest

FILES = Path(__file__).parents[1] / "motion/files"
COMMANDS = {
    "convert": ("IN", "OUT", "--to", "motion135"),
    "inspect": ("IN",),
    "describe": ("IN",),
    "edit": ("IN", "--out", "OUT.npz"),
    "continue": ("IN", "--out", "OUT.npz"),
    "visualise": ("--input", "IN"),
}
TOLD = ("--source-fps", "24", "--up", "z", "--force", "--sample", "2")


def parsed(command: str, *rest: str) -> argparse.Namespace:
    return build_parser(command).parse_args([command, *COMMANDS[command], *rest])


@pytest.mark.parametrize("command", COMMANDS)
def test_the_same_options_everywhere(command: str) -> None:
    options = parsed(command, *TOLD)
    assert (options.source_fps, options.up, options.force, options.sample) == (24, "z", True, 2)
    plain = parsed(command)
    assert (plain.source_fps, plain.up, plain.force, plain.sample) == (None, None, False, None)


@pytest.mark.parametrize("command", ["edit", "continue", "describe", "visualise"])
def test_the_older_name_of_the_rate(command: str) -> None:
    assert parsed(command, "--fps", "25").source_fps == 25


def test_the_older_name_of_the_sample() -> None:
    assert parsed("visualise", "--sample-idx", "1").sample == 1


def test_a_sample_a_rate_and_an_axis(tmp_path: Path) -> None:
    y_up = np.load(FILES / "30_joints_right.npy")
    z_up = np.load(FILES / "32_joints_z_up.npy")
    path = tmp_path / "two.npy"
    np.save(path, np.stack([y_up, y_up + np.float32([1, 0, 0])]))
    first = motion_options.read_motion(path, parsed("edit", "--fps", "30"))
    second = motion_options.read_motion(path, parsed("edit", "--fps", "30", "--sample", "1"))
    assert first.fps == second.fps == 30
    step = second.data[:, :3] - first.data[:, :3]  # paths are scaled to SMPL's legs
    np.testing.assert_allclose(step, np.tile([0.977, 0, 0], (6, 1)), atol=1e-3)
    np.save(path, z_up)
    told = motion_options.read_motion(path, parsed("continue", "--up", "z", "--source-fps", "30"))
    np.testing.assert_allclose(told.data, first.data, atol=1e-3)
    with pytest.raises(InvalidRequest, match=r"^--fps 0 is out of range"):
        motion_options.read_motion(path, parsed("edit", "--fps", "0"))


def test_force_reads_what_is_refused(tmp_path: Path) -> None:
    hanging = np.load(FILES / "30_joints_right.npy") * np.float32([1, -1, -1])
    path = tmp_path / "hanging.npy"
    np.save(path, np.repeat(hanging, 5, axis=0))
    flags = ("--fps", "30", "--up", "y")
    with pytest.raises(FormatError, match="no motion of a person"):
        motion_options.read_motion(path, parsed("edit", *flags))
    assert len(motion_options.read_motion(path, parsed("edit", *flags, "--force")).data) == 30
    stack = tmp_path / "stack.npy"  # samples, one of which is turned as it is told
    z_up = np.load(FILES / "32_joints_z_up.npy")
    np.save(stack, np.stack([z_up, z_up]))
    drawn, _ = visualise.read_joints(stack, parsed("visualise", "--up", "z", "--sample", "1"))
    assert np.ptp(drawn[0, :, 1]) > 1.2
    joints, fps = visualise.read_joints(path, parsed("visualise", *flags, "--force"))
    assert joints.shape == (30, 22, 3) and fps == 30

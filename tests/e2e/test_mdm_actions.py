"""Motions of released action models of MDM: the released loop, SMPL rotations to motion_135."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.diffusion.schedule import Schedule
from backend.errors import ArtifactError, InvalidRequest
from backend.models.mdm.network import MDM, MDMConfig
from backend.motion.io import npz
from backend.motion.representations import motion135
from backend.motion.rotations import matrix_to_rot6d_rows
from backend.pipelines.mdm.card import is_release
from backend.pipelines.mdm.smpl_actions import FPS, MDMActions, to_motion135
from tests.mdm_files import write_release
from tests.parity.mdm_golden import GOLDEN, golden

RELEASE = GOLDEN / "action"
ACTION_NET = {"joints": 25, "channels": 6, "dataset": "humanact12", "cond_mask_prob": 0.0}


def small_net(condition: str) -> MDM:
    torch.manual_seed(1)
    count = {"actions": 12} if condition == "action" else {}
    return MDM(
        MDMConfig(
            condition=condition, width=16, layers=1, diffusion_steps=10, max_positions=100,
            **ACTION_NET, **count,
        )
    )  # fmt: skip


def test_the_exact_sampler_is_the_released_loop() -> None:
    z, _ = golden("action/sample_ddpm")
    classes = golden("action/forward")[0]["action"][:, 0].tolist()
    frames = int(z["shape"][-1])
    model = MDMActions.from_release(RELEASE, device="cpu")
    model.schedule = Schedule("cosine", 50)  # that of the golden loop
    made = model.infer(classes, [frames, frames], seed=int(z["seed"]), sampler="exact", guidance=1)
    expected = z["final"].permute(0, 3, 1, 2).numpy()
    assert np.abs(np.stack(made) - expected).max() < 1e-4


def test_a_clip_does_not_depend_on_its_batch() -> None:
    model = MDMActions(small_net("action"), "small", device="cpu")
    both = model.infer([2, 7], [20, 20], seed=5, steps=4)
    alone = model.infer([7], [20], seed=6, steps=4)
    np.testing.assert_allclose(both[1], alone[0], atol=1e-5)
    assert both[0].shape == (20, 25, 6) and np.abs(both[0] - both[1]).max() > 1e-3


def test_rotations_and_path_survive_and_the_body_is_upright(
    make_motion: Callable[..., np.ndarray],
) -> None:
    root, rotations = motion135.unpack(make_motion(frames=20, turns=0.3))
    camera = np.diag([1.0, -1.0, -1.0])  # Y down, as the data sets were recorded
    seen = rotations.copy()
    seen[:, 0] = camera @ seen[:, 0]
    clip = np.zeros((20, 25, 6), np.float32)
    clip[:, :22] = matrix_to_rot6d_rows(seen)
    clip[:, 22:24] = (1, 0, 0, 0, 1, 0)
    clip[:, 24, :3] = (root - root[0]) @ camera
    made_root, made = motion135.unpack(to_motion135(clip, FPS))
    np.testing.assert_allclose(made, rotations, atol=1e-5)
    np.testing.assert_allclose(made_root - made_root[0], root - root[0], atol=1e-5)
    lowest = motion135.joints(to_motion135(clip, FPS))[..., 1].min()
    assert lowest == pytest.approx(0.019, abs=1e-4)
    assert len(to_motion135(clip)) == 29


def test_what_cannot_be_asked() -> None:
    with_actions = MDMActions(small_net("action"), "small", device="cpu")
    without = MDMActions(small_net("none"), "free", device="cpu")
    for wrong in (-1, 12, None):
        with pytest.raises(InvalidRequest, match="no action"):
            with_actions.infer([wrong])
    with pytest.raises(InvalidRequest, match="without actions"):
        without.infer([0])
    with pytest.raises(InvalidRequest, match="61 frames"):
        without.infer([None], [61])
    assert without.actions == () and len(with_actions.actions) == 12
    bad = np.full((4, 25, 6), np.nan, np.float32)
    with pytest.raises(ArtifactError, match="not finite"):
        to_motion135(bad)


def test_command_line(kinetype_here: Callable, tmp_path: Path) -> None:
    shutil.copytree(RELEASE, tmp_path / "release")
    options = ("--num-samples", 2, "--frames", 12, "--steps", 2, "--quiet")
    done = kinetype_here(
        "sample", "--checkpoint", "release", "--action", "jumping", *options,
        "--out", "joints.npy", "--out", "clip.npz",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    joints = np.load(tmp_path / "joints.npy")
    assert joints.shape == (2, 12, 66)
    motion = npz.read_at_own_rate(tmp_path / "clip_01.npz")
    assert motion.meta["prompt"] == "jump" and len(motion.data) == 17
    np.testing.assert_allclose(
        motion135.joints(motion.data[:1])[0].ravel(), joints[1, 0], atol=1e-4
    )

    listed = kinetype_here("sample", "--checkpoint", "release", "--list-actions")
    assert listed.stdout.split("\n")[3] == "jump"
    none = kinetype_here("sample", "--checkpoint", "release", *options)
    assert none.returncode == 2 and "boxing" in none.stderr
    assert "kinetype sample" in kinetype_here(
        "generate", "jump", "--model", "release", "--out", "x.npz"
    ).stderr  # fmt: skip


def test_command_line_without_actions(kinetype_here: Callable, tmp_path: Path) -> None:
    checkpoint = write_release(tmp_path / "free", small_net("none"))
    assert is_release(checkpoint) and is_release(tmp_path / "free") and not is_release(tmp_path)
    assert json.loads((tmp_path / "free/args.json").read_text())["unconstrained"]
    options = ("--checkpoint", "free", "--num-samples", 1, "--frames", 10, "--steps", 2)
    done = kinetype_here("sample", *options, "--out", "clip.npz")
    assert done.returncode == 0, done.stderr
    assert np.isfinite(npz.read_at_own_rate(tmp_path / "clip.npz").data).all()
    refused = kinetype_here("sample", *options, "--action", "jump")
    assert refused.returncode == 2 and "without actions" in refused.stderr


def test_checkpoints_that_are_none(kinetype_here: Callable, tmp_path: Path) -> None:
    """Each is told apart from a damaged model of actions."""
    shutil.copytree(RELEASE, tmp_path / "release")
    (tmp_path / "release" / "args.json").unlink()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "mdm_config.json").write_text("{}")
    for checkpoint, answer in (
        ("release", "args.json is missing"),
        ("release/model000000100.pt", "args.json is missing"),
        ("text", "cannot make motions of named actions"),
        ("", "No checkpoint is named"),
    ):
        done = kinetype_here("sample", "--checkpoint", checkpoint, "--action", "jump")
        assert done.returncode in (1, 2) and answer in done.stderr and "hint:" in done.stderr
    assert not (tmp_path / "output").exists()

"""Data, training step and drawing of the from-scratch action model against golden data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from backend.cli.main import main
from backend.evaluation import stick_figure
from backend.training.action_mdm.recipe import ActionRecipe, ActionTrainConfig
from backend.training.data import actions as action_data
from backend.training.data import humanact12
from backend.training.data.actions import ActionWindows, WindowBatch, WindowConfig
from backend.training.loop import Training

from .test_scratch_action_mdm import GOLDEN, SMALL, close, formula_array, formula_net, load

A2M = GOLDEN.parent / "mdm_a2m"


def test_dataset_of_the_released_training_script() -> None:
    golden = load("dataset")
    data = action_data.load(GOLDEN / "humanact12poses.pkl")
    assert [len(clip) for clip in data.clips] == golden["lengths"].tolist()
    windows = ActionWindows(data, WindowConfig(num_frames=14))
    assert windows.labels.tolist() == golden["kept_labels"].tolist()
    close(windows.mean, golden["mean"], 1e-7)
    close(windows.std, golden["std"], 1e-7)
    batch = windows.batch([0, len(windows) - 1])
    close(batch.x[0], golden["sample0"], 1e-6)
    close(batch.x[1], golden["sample_last"], 1e-6)
    assert batch.mask is None


@pytest.fixture
def recipe() -> ActionRecipe:
    data = action_data.load(GOLDEN / "humanact12poses.pkl")
    config = ActionTrainConfig(SMALL, WindowConfig(num_frames=10), seed=301)
    made = ActionRecipe(config, ActionWindows(data, config.windows))
    made.net.load_state_dict(formula_net(SMALL, 301).state_dict())
    return made


def test_losses_with_given_noise(recipe: ActionRecipe) -> None:
    golden = load("train_step")
    x0, noise = (formula_array(name, (4, 10, 66), 301) for name in ("x0", "noise"))
    batch = WindowBatch(x0, torch.from_numpy(golden["action"]), None)
    recipe.net.eval()
    position, velocity = recipe.losses(batch, torch.from_numpy(golden["t"]), noise)
    close(position, golden["eval_mse"], 1e-6)
    close(velocity, golden["eval_vel"], 1e-6)
    close(position + recipe.config.velocity_weight * velocity, golden["eval_loss"], 1e-5)


@pytest.mark.parametrize("threads", [1, 2])
def test_one_training_step_with_dropout(recipe: ActionRecipe, threads: int, tmp_path: Path) -> None:
    """The random numbers come in the released order: steps, noise, then dropout."""
    golden = load("train_step")
    x0 = formula_array("x0", (4, 10, 66), 301)
    batch = WindowBatch(x0, torch.from_numpy(golden["action"]), None)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        torch.manual_seed(301)
        parts = Training(recipe, recipe.folder(tmp_path)).train_step(batch)
    finally:
        torch.set_num_threads(before)
    assert parts["position"] == pytest.approx(float(golden["train_mse"]), abs=1e-6)
    assert parts["velocity"] == pytest.approx(float(golden["train_vel"]), abs=1e-6)
    assert parts["loss"] == pytest.approx(float(golden["train_loss"]), abs=1e-5)
    bias = recipe.net.output_proj.bias
    assert bias.grad is not None
    close(bias.grad, golden["grad_output_bias"], 1e-6)
    close(bias, golden["output_bias_after"], 1e-6)


def test_visualise_geometry_and_gif(tmp_path: Path) -> None:
    golden = load("visualise")
    samples = formula_array("motion", (3, 2, 66), 301, 0.5).numpy()
    scene = stick_figure.stage(samples[1], stick_figure.UPSIDE_DOWN_SCALE)
    close(scene.points, golden["motion"], 1e-6)
    close(scene.low, golden["mins"], 1e-6)
    close(scene.high, golden["maxs"], 1e-6)
    np.save(tmp_path / "samples.npy", samples)
    command = ["visualise", "--input", str(tmp_path / "samples.npy"), "--sample-idx", "1"]
    command += ["--upside-down", "--output", str(tmp_path / "demo.gif"), "--quiet"]
    assert main(command) == 0
    with Image.open(tmp_path / "demo.gif") as gif:
        assert gif.size == (400, 480)
        assert gif.n_frames == 2
        assert gif.info["duration"] == 50


def test_humanact12_windows_of_mdm() -> None:
    """MDM's own loader (d4fd88c): 24 rotations and a translation, 6 numbers each."""
    with np.load(A2M / "a2m_dataset.npz", allow_pickle=False) as file:
        golden = dict(file)
    data = humanact12.read(A2M)
    windows = humanact12.RotationWindows(data, num_frames=16, seed=5)
    batch = windows.batch(range(len(windows)))
    np.testing.assert_allclose(batch.x, golden["inp"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(batch.x, golden["collated"], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(batch.mask, golden["mask"])
    np.testing.assert_array_equal(batch.lengths, golden["lengths"])
    np.testing.assert_array_equal(batch.actions, golden["action_batch"])
    assert [len(pose) for pose in data.poses] == golden["nframes"].tolist()
    assert [humanact12.ACTIONS[i] for i in data.labels] == ["drink", "drink", "sit"]


def test_rotation_conversions_of_mdm() -> None:
    with np.load(A2M / "a2m_dataset.npz", allow_pickle=False) as file:
        golden = dict(file)
    matrix = humanact12.axis_angle_to_matrix(golden["rot_axis_angle"])
    np.testing.assert_allclose(matrix, golden["rot_matrix"], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(
        humanact12.matrix_to_rot6d(golden["rot_matrix"]), golden["rot_6d"]
    )
    made = humanact12.rot6d_to_matrix(golden["sixd_in"])
    np.testing.assert_allclose(made, golden["sixd_matrix"], rtol=0, atol=1e-6)

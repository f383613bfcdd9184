"""The action model's data and trainer on made-up clips."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from backend.errors import ArtifactError, FormatError, InvalidRequest
from backend.models.action_mdm import ActionMDM, ActionMDMConfig
from backend.motion.representations import smplrifke205
from backend.motion.skeleton import forward_kinematics
from backend.pipelines.action_mdm.coordinates import face_forward, to_features, to_joints
from backend.training.action_mdm.recipe import ActionRecipe, ActionTrainConfig, motion_losses
from backend.training.data import actions as action_data
from backend.training.data import humanact12
from backend.training.data.actions import ActionClips, ActionWindows, WindowConfig
from backend.training.data.dataset import Item, MotionDataset
from backend.training.loop import Training

NET = ActionMDMConfig(num_actions=2, latent_dim=16, num_layers=1, num_heads=2, ff_dim=16)


@pytest.fixture
def clips(make_motion) -> ActionClips:
    """Six clips of 8 to 33 frames in two classes."""
    made = []
    for seed, frames in enumerate((8, 13, 18, 23, 28, 33)):
        motion = make_motion(frames=frames, seed=seed)
        from backend.motion.representations import motion135

        made.append(motion135.joints(motion).astype(np.float32))
    return ActionClips(tuple(made), np.array([0, 1, 0, 1, 0, 0]), ("walk", "wave"), 20.0)


@pytest.mark.parametrize(("short", "kept"), [("drop", 4), ("hold", 6), ("mask", 6)])
def test_short_clips(clips: ActionClips, short: str, kept: int) -> None:
    windows = ActionWindows(clips, WindowConfig(num_frames=16, short=short))  # type: ignore[arg-type]
    assert len(windows) == kept
    batch = windows.batch(range(kept))
    if short == "mask":
        assert batch.mask is not None
        assert batch.mask.sum(1).tolist() == [8, 13, 16, 16, 16, 16]
    else:
        assert batch.mask is None
    if short != "drop":
        # past its end a clip keeps its last pose
        assert torch.equal(batch.x[0, 7], batch.x[0, 15])


def test_stride_keeps_every_other_frame(clips: ActionClips) -> None:
    windows = ActionWindows(clips, WindowConfig(num_frames=10, stride=2))
    assert windows.fps == 10.0
    assert len(windows) == 3  # 19 source frames and more
    x = windows.batch([0]).x * windows.std + windows.mean
    expected = clips.clips[3][0:20:2].reshape(10, 66)
    np.testing.assert_allclose(x[0].numpy(), expected, atol=1e-5)


def test_random_starts_reach_both_ends(clips: ActionClips) -> None:
    windows = ActionWindows(clips, WindowConfig(num_frames=31, start="random"), seed=1)
    seen = set()
    for _ in range(40):
        x = windows.batch([0]).x * windows.std + windows.mean
        distance = np.abs(clips.clips[5].reshape(33, 66) - x[0, 0].numpy()).max(1)
        seen.add(int(distance.argmin()))
    assert seen == {0, 1, 2}


def test_lively_starts_prefer_the_part_that_moves() -> None:
    """Two seconds of standing, one of swinging the right wrist, two of standing."""
    points = np.zeros((100, 22, 3), np.float32)
    points[..., 1] = 1.0
    points[40:60, 21, 0] = np.sin(np.arange(20))
    clips = ActionClips((points,), np.array([0]), ("wave",), 20.0)
    moving = {}
    for start in ("random", "lively"):
        config = WindowConfig(20, start=start)  # type: ignore[arg-type]
        windows = ActionWindows(clips, config, seed=3)
        x = torch.cat([windows.batch([0]).x for _ in range(200)]) * windows.std + windows.mean
        swing = x.reshape(-1, 20, 22, 3)[:, :, 21, 0]
        moving[start] = (swing.abs().amax(1) > 0.5).double().mean().item()
    # of 81 starts, 38 reach the swing: 0.47, and 1 - 0.53 ** 4 with four tries
    assert moving["random"] == pytest.approx(0.47, abs=0.1)
    assert moving["lively"] == pytest.approx(0.92, abs=0.06)


def test_balance_draws_actions_equally(clips: ActionClips) -> None:
    config = WindowConfig(num_frames=8, short="hold", balance=1.0)
    windows = ActionWindows(clips, config)
    drawn = torch.tensor([i for _ in range(300) for part in windows.epoch(4) for i in part])
    share = (windows.labels[drawn] == 1).double().mean().item()
    assert share == pytest.approx(0.5, abs=0.05)
    plain = ActionWindows(clips, replace(config, balance=0.0))
    assert sorted(i for part in plain.epoch(4) for i in part) == list(range(6))


def test_column_statistics_normalise(clips: ActionClips) -> None:
    config = WindowConfig(num_frames=8, coordinates="local", statistics="columns")
    windows = ActionWindows(clips, config)
    flat = windows.batch(range(6)).x.reshape(-1, 66)
    moving = windows.std > 1e-4
    assert flat.mean(0).abs().max() < 1e-3
    assert (flat.std(0)[moving] - 1).abs().max() < 1e-3


def test_clips_face_forward_whatever_their_heading() -> None:
    from backend.motion.rotations import rotation_about

    rotations = np.tile(np.eye(3), (2, 4, 22, 1, 1))
    rotations[0, :, 0] = rotation_about("y", np.array(1.1))
    rotations[1, :, 0] = rotation_about("y", np.array(-2.5))
    root = np.cumsum(np.ones((2, 4, 3)), axis=1)
    joints = torch.from_numpy(forward_kinematics(rotations, root))
    turned = face_forward(joints)
    assert turned[:, 0, 0, (0, 2)].abs().max() < 1e-9
    across = turned[:, 0, 1] - turned[:, 0, 2]
    assert (across[:, 0] > 0.1).all() and across[:, 2].abs().max() < 5e-3
    features = to_features(joints, "local")
    torch.testing.assert_close(to_joints(features, "local"), turned)
    torch.testing.assert_close(to_joints(to_features(joints, "world"), "world"), joints)


def test_dataset_folder_becomes_clips(make_motion) -> None:
    features = smplrifke205.from_motion135(make_motion(frames=60)).astype(np.float32)
    names = [("walk", "train"), ("walk", "train"), ("wave", "train"), ("walk", "val")]
    items = tuple(
        Item(f"take {i}", split, 0, len(features), 0, content=content)
        for i, (content, split) in enumerate(names)
    )
    empty = np.zeros((0, 135), np.float32)
    dataset = MotionDataset("smplrifke205", 20.0, features, empty, (), items, ())
    data = action_data.from_dataset(dataset)
    assert data.actions == ("walk", "wave")
    assert data.labels.tolist() == [0, 0, 1]
    assert data.clips[0].shape == (len(features), 22, 3)
    # it stands on the ground, head up
    assert 0.0 <= data.clips[0][..., 1].min() < 0.05 < 1.2 < data.clips[0][0, 15, 1]
    assert action_data.from_dataset(dataset, min_clips=2).actions == ("walk",)
    assert len(action_data.from_dataset(dataset, max_clips=1).clips) == 2
    with pytest.raises(InvalidRequest, match="no action swim"):
        action_data.from_dataset(dataset, ["swim"])


def test_masked_loss_is_that_of_the_cut_clip() -> None:
    a, b = torch.randn(2, 1, 9, 66, generator=torch.manual_seed(0))
    mask = torch.arange(9)[None] < 5
    for masked, cut in zip(
        motion_losses(a, b, mask), motion_losses(a[:, :5], b[:, :5]), strict=True
    ):
        torch.testing.assert_close(masked, cut)


@pytest.mark.parametrize("tokens", [1, 2])
def test_step_and_action_both_matter(tokens: int) -> None:
    torch.manual_seed(0)
    net = ActionMDM(replace(NET, condition_tokens=tokens)).eval()  # type: ignore[arg-type]
    x = torch.randn(1, 7, 66)
    outputs = [
        net(x, torch.tensor([t]), {"action": torch.tensor([action])})
        for t, action in ((5, 0), (500, 0), (5, 1))
    ]
    assert outputs[0].shape == (1, 7, 66)
    assert (outputs[0] - outputs[1]).abs().max() > 1e-3
    assert (outputs[0] - outputs[2]).abs().max() > 1e-3


def test_two_tokens_are_action_then_step() -> None:
    """Positions are added by place, so the order is part of the model."""
    torch.manual_seed(0)
    net = ActionMDM(replace(NET, condition_tokens=2)).eval()
    seen: list[torch.Tensor] = []
    net.transformer.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    t = torch.tensor([40])
    net(torch.zeros(1, 3, 66), t, {"action": torch.tensor([1])})
    pe = net.seq_pos_enc.pe[:, 0]
    torch.testing.assert_close(seen[0][0, 0], net.action_embedding.weight[1] + pe[0])
    torch.testing.assert_close(seen[0][0, 1], net.time_embed(pe[40]) + pe[1])


def training(
    clips: ActionClips, run: Path, config: ActionTrainConfig, windows: ActionWindows | None = None
) -> Training:
    recipe = ActionRecipe(config, windows or ActionWindows(clips, config.windows))
    return Training(recipe, recipe.folder(run))


def train(clips: ActionClips, run: Path, steps: int, *, resume: bool = False) -> Training:
    """Up to a step of 12: six passes of two batches."""
    config = ActionTrainConfig(
        NET, WindowConfig(8, short="hold", start="random"), epochs=6, batch_size=4, lr=3e-3, ema=0.9
    )
    trainer = training(clips, run, config)
    if resume:
        trainer.resume()

    def stop(step: int, share: float, losses: dict[str, float]) -> None:
        if step == steps < 12:
            trainer.save()
            raise Stopped

    trainer.fit(stop)
    return trainer


class Stopped(Exception):
    pass


@pytest.mark.parametrize("killed", [6, 7])
def test_a_killed_run_goes_on_to_the_same_weights(
    clips: ActionClips, tmp_path: Path, killed: int
) -> None:
    """Between two passes, and in the middle of one."""
    whole = train(clips, tmp_path / "whole", 12)
    with pytest.raises(Stopped):
        train(clips, tmp_path / "parts", killed)
    torch.manual_seed(999)
    parts = train(clips, tmp_path / "parts", 12, resume=True)
    for name, value in whole.recipe.net.state_dict().items():
        assert torch.equal(value, parts.recipe.net.state_dict()[name]), name
    saved = [load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts")]
    for name, value in saved[0].items():
        assert torch.equal(value, saved[1][name]), name
    rows = [json.loads(r) for r in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]


def test_the_average_of_the_weights_is_saved(clips: ActionClips, tmp_path: Path) -> None:
    """Decay 0.5: after two steps the start weighs a quarter, the first step another."""
    config = ActionTrainConfig(
        NET, WindowConfig(8, short="hold"), epochs=2, batch_size=8, lr=3e-3, ema=0.5
    )
    trainer = training(clips, tmp_path, config)
    net = trainer.recipe.net
    assert isinstance(net, ActionMDM)
    seen = [net.output_proj.weight.detach().clone()]
    trainer.fit(lambda *_: seen.append(net.output_proj.weight.detach().clone()))
    expected = 0.25 * seen[0] + 0.25 * seen[1] + 0.5 * seen[2]
    saved = load_file(tmp_path / "model.safetensors")["output_proj.weight"]
    torch.testing.assert_close(saved, expected)
    assert not torch.allclose(saved, seen[2], atol=1e-4)
    again = training(clips, tmp_path / "next", config)
    again.recipe.start_from(tmp_path)
    again.save()
    begun = load_file(tmp_path / "next" / "model.safetensors")["output_proj.weight"]
    torch.testing.assert_close(begun, saved)


def test_rate_is_the_cosine_of_torch(clips: ActionClips, tmp_path: Path) -> None:
    config = ActionTrainConfig(NET, WindowConfig(8), epochs=7, lr=1e-4, final_lr=1e-5)
    recipe = ActionRecipe(config, ActionWindows(clips, config.windows))
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 7, 1e-5)
    for epoch in range(7):
        for step in range(epoch * recipe.pass_steps, (epoch + 1) * recipe.pass_steps):
            assert recipe.rate(step, 0.0) == pytest.approx(schedule.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        schedule.step()


def test_training_lowers_the_loss(clips: ActionClips, tmp_path: Path) -> None:
    config = ActionTrainConfig(
        replace(NET, latent_dim=32, dropout=0.0),
        WindowConfig(8, short="hold", coordinates="local"),
        epochs=40,
        lr=3e-3,
        final_lr=3e-4,
    )
    assert training(clips, tmp_path, config).fit()
    rows = (tmp_path / "log.jsonl").read_text().splitlines()
    losses = [json.loads(row)["loss"] for row in rows]
    assert len(losses) == 40
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:2])


def test_divergence_is_reported(clips: ActionClips, tmp_path: Path) -> None:
    config = ActionTrainConfig(NET, WindowConfig(8), epochs=2)
    windows = ActionWindows(clips, config.windows)
    windows.clips[0] = np.full_like(windows.clips[0], np.inf)
    with pytest.raises(ArtifactError, match="diverged"):
        training(clips, tmp_path, config, windows).fit()
    assert not (tmp_path / "state.pt").exists()


# ------------------------------------------------------------------ HumanAct12


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("touch harmed",)


def write(path: Path, **values: object) -> Path:
    good: dict[str, object] = {
        "poses": [np.zeros((5, 72)), np.zeros((7, 72))],
        "joints3D": [np.zeros((5, 24, 3)), np.zeros((7, 24, 3))],
        "y": [1, 13],
    }
    path.write_bytes(pickle.dumps({**good, **values}))
    return path


def test_clips_of_different_length_are_read(tmp_path: Path) -> None:
    data = humanact12.read(write(tmp_path / "humanact12poses.pkl"))
    assert [len(p) for p in data.poses] == [5, 7]
    clips = action_data.load(tmp_path)
    assert len(clips.actions) == 14
    assert clips.actions[13] == "action 13"


def test_clips_of_one_length_are_read(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.pkl", poses=np.zeros((2, 5, 72)), joints3D=np.ones((2, 5, 24, 3)), y=[0, 1]
    )
    assert [p.shape for p in humanact12.read(path).joints] == [(5, 24, 3)] * 2


def test_harmful_pickle_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FormatError, match="nothing was run"):
        humanact12.read(write(tmp_path / "bad.pkl", y=Harmful()))
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"y": [1]}, "1 y"),
        ({"y": [1, -1]}, "below 0"),
        ({"poses": [np.zeros((5, 71)), np.zeros((7, 72))]}, "clip 0"),
        ({"poses": [np.zeros((4, 72)), np.zeros((7, 72))]}, "clip 0"),
        ({"joints3D": [np.zeros((5, 24, 3)), np.full((7, 24, 3), np.nan)]}, "clip 1 holds NaN"),
        ({"joints3D": "text"}, "lacks joints3D"),
    ],
)
def test_bad_pickles(tmp_path: Path, values: dict[str, object], said: str) -> None:
    with pytest.raises(FormatError, match=said):
        humanact12.read(write(tmp_path / "bad.pkl", **values))

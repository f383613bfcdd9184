"""The action model through the command line and the pipeline, trained for a moment."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from backend.cli.main import main
from backend.errors import ArtifactError, InvalidRequest, ModelNotFound
from backend.evaluation import loss_plot
from backend.motion.io import npz
from backend.motion.representations import motion135, smplrifke205
from backend.pipelines.action_mdm import ActionMDMPipeline
from backend.pipelines.action_mdm.names import HUMANACT12, closest_action
from backend.training.data.dataset import Item, MotionDataset
from backend.wire.messages import Request

ACTIONS = ("walk-back", "wave-left-hand")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, make_motion) -> Path:
    folder = tmp_path_factory.mktemp("data")
    parts = [
        smplrifke205.from_motion135(make_motion(frames=60, seed=i)).astype(np.float32)
        for i in range(4)
    ]
    length = len(parts[0])
    items = tuple(
        Item(f"take {i}", "train", i * length, length, 0, content=ACTIONS[i % 2]) for i in range(4)
    )
    features, empty = np.concatenate(parts), np.zeros((0, 135), np.float32)
    dataset = MotionDataset("smplrifke205", 20.0, features, empty, (), items, (("a person",),))
    dataset.save(folder)
    return folder


SMALL = ["--latent-dim", 16, "--layers", 1, "--ff-dim", 16, "--num-frames", 20, "--min-clips", 1]
SMALL += ["--short", "hold", "--coordinates", "local", "--statistics", "columns", "--lr", 1e-3]


def run(*arguments: object) -> int:
    return main([str(a) for a in arguments])


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "action"
    train = ("train", "action-mdm", "--data", data, "--run", folder)
    assert run(*train, *SMALL, "--epochs", 2, "--plot", folder / "loss.png") == 0
    return folder


def test_run_folder_is_a_model_with_its_statistics(model: Path) -> None:
    pipeline = ActionMDMPipeline.from_pretrained(model, device="cpu")
    assert pipeline.config.actions == ACTIONS
    assert pipeline.stats.mean.shape == (66,)
    assert len((model / "log.jsonl").read_text().splitlines()) == 2
    with Image.open(model / "loss.png") as picture:
        assert picture.width > 300


def test_training_again_needs_resume(model: Path, data: Path, tmp_path: Path, capsys) -> None:
    folder = shutil.copytree(model, tmp_path / "run")
    train = ("train", "action-mdm", "--data", data, "--run", folder)
    assert run(*train, *SMALL, "--epochs", 3) == 2
    assert "--resume" in capsys.readouterr().err
    assert run(*train, "--resume", "--epochs", 3) == 0
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3]


def test_a_second_run_goes_on_from_the_first(model: Path, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "second"
    train = ("train", "action-mdm", "--data", data, "--run", folder, "--init", model)
    assert run(*train, *SMALL, "--epochs", 2, "--lr", 1e-6, "--final-lr", 1e-7) == 0
    first, second = (
        [json.loads(line) for line in (run_folder / "log.jsonl").read_text().splitlines()]
        for run_folder in (model, folder)
    )
    assert second[-1]["lr"] == pytest.approx((1e-6 + 1e-7) / 2)  # of a cosine, half way
    weights = [
        {k: v for k, v in load_file(f / "model.safetensors").items() if "embed" not in k}
        for f in (model, folder)
    ]
    apart = max(float((weights[0][k] - v).abs().max()) for k, v in weights[1].items())
    assert 0 < apart < 1e-4

    both, alone = tmp_path / "both.png", tmp_path / "alone.png"
    loss_plot.draw(folder / "log.jsonl", alone)
    loss_plot.draw(folder / "log.jsonl", both, earlier=[model / "log.jsonl"])
    assert both.read_bytes() != alone.read_bytes()
    joined = loss_plot.joined([model / "log.jsonl", folder / "log.jsonl"])
    assert [row["epoch"] for row in joined] == [1, 2, 3, 4]
    assert [row["loss"] for row in joined] == [row["loss"] for row in (*first, *second)]
    assert joined[-1]["minutes"] == pytest.approx(first[-1]["minutes"] + second[-1]["minutes"])


def test_sample_then_visualise(model: Path, tmp_path: Path, capsys) -> None:
    sample = ("sample", "--checkpoint", model, "--action", "wave", "--num-samples", 2)
    files = ("--out", tmp_path, "--out", tmp_path / "wave.npz")
    assert run(*sample, *files, "--steps", 3, "--quiet") == 0
    made = tmp_path / "generated_action1_samples2.npy"
    joints = np.load(made, allow_pickle=False)
    assert joints.shape == (2, 20, 66) and joints.dtype == np.float32
    assert capsys.readouterr().out.splitlines()[0] == str(made)
    motion = npz.read_motion(tmp_path / "wave_01.npz")
    assert motion.meta["prompt"] == "wave-left-hand"
    show = ("visualise", "--title", "wave", "--dpi", 20, "--quiet")
    assert run(*show, "--input", made, "--sample-idx", 1, "--output", tmp_path / "a.gif") == 0
    with Image.open(tmp_path / "a.gif") as gif:
        assert (gif.size, gif.n_frames) == ((100, 120), 20)
    motion_clip = ("--input", tmp_path / "wave_01.npz", "--output", tmp_path / "b.gif")
    assert run(*show, *motion_clip) == 0
    with Image.open(tmp_path / "b.gif") as gif:
        assert gif.n_frames == len(motion.data)
    assert run(*show, "--input", made, "--sample-idx", 2, "--output", tmp_path / "a.gif") == 2
    assert run(*show, "--input", made, "--output", tmp_path / "a.png") == 2


@pytest.mark.parametrize("option", ["--azim=nan", "--elev=inf", "--fps=0", "--fps=nan", "--dpi=5"])
def test_views_that_are_none(tmp_path: Path, make_motion, capsys, option: str) -> None:
    np.save(tmp_path / "joints.npy", motion135.joints(make_motion(frames=2)))
    out = tmp_path / "a.gif"
    show = ("visualise", "--input", tmp_path / "joints.npy", "--output", out, "--quiet")
    assert run(*show, option) == 2 and option.split("=")[0] in capsys.readouterr().err
    assert not out.exists()


def test_visualise_writes_to_a_home(tmp_path: Path, make_motion, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    np.save(tmp_path / "joints.npy", motion135.joints(make_motion(frames=2)))
    show = ("visualise", "--input", tmp_path / "joints.npy", "--dpi", 15, "--quiet")
    assert run(*show, "--output=~/a.gif") == 0
    assert (tmp_path / "a.gif").is_file()


def test_visualise_reads_features(tmp_path: Path, make_motion) -> None:
    from backend.motion import convert

    joints = motion135.joints(make_motion(frames=12))
    for name in ("hml263", "ms272", "joints"):
        motion = make_motion(frames=12)
        source = ("motion135", 30.0) if name == "ms272" else ("joints", 20.0)
        x = motion if name == "ms272" else joints
        made = convert.convert(x, source[0], name, fps=source[1]) if name != "joints" else None
        np.save(tmp_path / f"{name}.npy", joints if made is None else made.data)
        out = tmp_path / f"{name}.gif"
        show = ("visualise", "--input", tmp_path / f"{name}.npy", "--output", out, "--dpi", 15)
        assert run(*show, "--quiet") == 0
        assert out.stat().st_size > 500


def test_mp4(tmp_path: Path, make_motion, capsys) -> None:
    np.save(tmp_path / "joints.npy", motion135.joints(make_motion(frames=4)))
    out = tmp_path / "a.mp4"
    show = ("visualise", "--input", tmp_path / "joints.npy", "--output", out, "--dpi", 15)
    if shutil.which("ffmpeg") is None and find_spec("bpy") is None:
        assert run(*show, "--quiet") == 1
        assert "ffmpeg" in capsys.readouterr().err
        assert not out.exists()
    else:
        assert run(*show, "--quiet") == 0
        assert out.read_bytes()[4:8] == b"ftyp"


def test_mp4_without_any_encoder(tmp_path: Path, make_motion, monkeypatch, capsys) -> None:
    np.save(tmp_path / "joints.npy", motion135.joints(make_motion(frames=4)))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("KINETYPE_BLENDER", str(tmp_path / "none"))
    show = ("visualise", "--input", tmp_path / "joints.npy", "--output", tmp_path / "a.mp4")
    assert run(*show, "--quiet") == 1
    assert "ffmpeg" in capsys.readouterr().err


def test_infer_lengths_and_seeds(model: Path) -> None:
    pipeline = ActionMDMPipeline.from_pretrained(model, device="cpu")
    clips = pipeline.infer(["walk", 1], [7, 20], seed=3, steps=3)
    assert [c.shape for c in clips] == [(7, 22, 3), (20, 22, 3)]
    again = pipeline.infer([1], seed=4, steps=3)
    np.testing.assert_allclose(again[0], clips[1], atol=1e-5)
    assert np.abs(pipeline.infer([1], seed=5, steps=3)[0] - again[0]).max() > 1e-3
    assert pipeline.infer([], []) == []
    for actions, lengths in ((["walk"], [0]), (["walk"], [10_000]), ([9], None), (["walk"], [])):
        with pytest.raises(InvalidRequest):
            pipeline.infer(actions, lengths)


def test_generate_ends_in_motion135(model: Path, tmp_path: Path) -> None:
    pipeline = ActionMDMPipeline.from_pretrained(model, device="cpu")
    seen: list[str] = []
    request = Request("a person walks backwards", seconds=1.0, samples=2, steps=3)
    motions = pipeline.generate(request, lambda progress: seen.append(progress.stage))
    assert [m.data.shape for m in motions] == [(30, 135)] * 2
    assert motions[0].meta["action"] == "walk-back"
    assert motions[1].meta["seed"] == 1
    assert {"sampling", "fitting the skeleton"} <= set(seen)
    with pytest.raises(InvalidRequest, match="knows no action") as raised:
        pipeline.generate(Request("swim", seconds=1.0))
    assert all(action in raised.value.hint for action in ACTIONS)
    with pytest.raises(InvalidRequest, match="cannot make 4 seconds"):
        pipeline.generate(Request("walk", seconds=4.0))


def test_generate_command_takes_the_folder(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "walk.npz"
    command = ("generate", "walk back", "--model", model, "--seconds", 1, "--steps", 3)
    assert run(*command, "--out", out, "--quiet") == 0
    assert npz.read_motion(out).data.shape == (30, 135)


def test_save_and_load_give_the_same_motion(model: Path, tmp_path: Path) -> None:
    first = ActionMDMPipeline.from_pretrained(model, device="cpu")
    second = ActionMDMPipeline.from_pretrained(first.save_pretrained(tmp_path / "m"), device="cpu")
    a, b = (p.infer([0], seed=1, steps=2)[0] for p in (first, second))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["model.safetensors", "stats.safetensors"])
def test_damaged_files_are_named(model: Path, tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(model, tmp_path / "broken")
    (folder / name).write_bytes((folder / name).read_bytes()[:100])
    with pytest.raises(ArtifactError, match=name):
        ActionMDMPipeline.from_pretrained(folder, device="cpu")


def test_missing_model() -> None:
    with pytest.raises(ModelNotFound):
        ActionMDMPipeline.from_pretrained("nowhere")


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("touch harmed",)


def test_harmful_checkpoint_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"pose.weight": Harmful()}, tmp_path / "mdm_final.pth")
    with pytest.raises(ArtifactError, match="nothing of it was run"):
        ActionMDMPipeline.from_pretrained(tmp_path)
    assert not (tmp_path / "harmed").exists()


def test_released_checkpoint_without_statistics(model: Path, tmp_path: Path) -> None:
    net = ActionMDMPipeline.from_pretrained(model, device="cpu").net
    torch.save(net.state_dict(), tmp_path / "mdm_final.pth")
    with pytest.raises(ArtifactError, match=r"norm_stats\.pt is missing"):
        ActionMDMPipeline.from_pretrained(tmp_path)
    stats = {"mean": torch.tensor(0.0), "std": torch.tensor(0.0)}
    torch.save(stats, tmp_path / "norm_stats.pt")
    with pytest.raises(ArtifactError, match="must be positive everywhere"):
        ActionMDMPipeline.from_pretrained(tmp_path)
    state = net.state_dict()
    del state["output_proj.bias"]
    torch.save(state, tmp_path / "mdm_final.pth")
    with pytest.raises(ArtifactError, match=r"output_proj\.bias"):
        ActionMDMPipeline.from_pretrained(tmp_path)


STARTER = ("bow", "kick-right", "raise-up-both-hands", "raise-up-left-hand", "run", "walk")
STARTER += ("walk-back", "walk-turn-left", "wave-both-hands", "wave-right-hand")


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("walk", "walk"),
        ("a person walks forward", "walk"),
        ("someone is walking backwards", "walk-back"),
        ("he turns left while walking", "walk-turn-left"),
        ("RUN!", "run"),
        ("wave the right hand", "wave-right-hand"),
        ("raises the left hand", "raise-up-left-hand"),
        ("waving", "wave-both-hands"),
        ("kick", "kick-right"),
        ("bowing deeply", "bow"),
        ("wlak", "walk"),
    ],
)
def test_closest_action(text: str, action: str) -> None:
    assert closest_action(text, STARTER) == action


@pytest.mark.parametrize("text", ["swim", "a person does the splits", "12345", "…"])
def test_unknown_action_lists_what_there_is(text: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        closest_action(text, STARTER)
    assert "kick-right" in raised.value.hint


def test_humanact12_names() -> None:
    assert closest_action("a man lifts a dumbbell", HUMANACT12) == "lift_dumbbell"
    assert closest_action("jumping", HUMANACT12) == "jump"
    assert closest_action("warm up", HUMANACT12) == "warm_up"

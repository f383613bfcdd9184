"""Training MDM on a HumanML3D folder: reading, learning, resuming, several processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.errors import ArtifactError, FormatError, InvalidRequest, KinetypeError
from backend.models.mdm import load_upstream
from backend.motion.representations import hml263, motion135, smplrifke205
from backend.motion.representations.statistics import mean_std
from backend.training.data import caption_vectors, hml3d_export
from backend.training.data import hml3d as hml3d_data
from backend.training.data.dataset import Clip, Item, MotionDataset
from backend.training.loop import Training
from backend.training.mdm.recipe import MdmRecipe, MdmTrainConfig
from tests.conftest import REPO, _swinging_clip

CAPTIONS = ["a person swings", "somebody sways and turns", "a dance"]
TINY = MdmTrainConfig(
    text_encoder_type="minilm",
    layers=1,
    latent_dim=16,
    diffusion_steps=20,
    batch_size=4,
    lr=2e-3,
    num_steps=6,
    use_ema=True,
    avg_model_beta=0.5,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight clips, one with a sub-segment, one too short, one with NaN, one missing."""
    root = tmp_path_factory.mktemp("hml3d")
    (root / "new_joint_vecs").mkdir()
    (root / "texts").mkdir()
    clips = {}
    for seed in range(6):
        joints = motion135.joints(_swinging_clip(frames=60 + 9 * seed, seed=seed))
        clips[f"{seed:06d}"] = hml263.encode(joints).astype(np.float32)
    mean, std = mean_std(clips.values(), hml263.SPEC)
    clips["000006"] = clips["000000"][:39]
    clips["000007"] = np.full((50, 263), np.nan, np.float32)
    for index, (name, vectors) in enumerate(clips.items()):
        np.save(root / "new_joint_vecs" / f"{name}.npy", vectors)
        lines = [hml3d_export.caption_line(CAPTIONS[index % 3])]
        if name == "000005":
            lines.append(hml3d_export.caption_line("a part", 0.5, 3.0))
        (root / "texts" / f"{name}.txt").write_text("\n".join(lines) + "\n")
    np.save(root / "Mean.npy", mean)
    np.save(root / "Std.npy", np.maximum(std, 0.01))
    (root / "train.txt").write_text("\n".join([*clips, "000099"]) + "\n")
    rng = np.random.default_rng(0)
    texts = [*CAPTIONS, "a part"]
    vectors = rng.normal(size=(len(texts), 384)).astype(np.float32)
    rows = {text: row for row, text in enumerate(texts)}
    caption_vectors.save(root, "minilm", caption_vectors.CaptionVectors(vectors, rows))
    return root


def trainer(folder: Path, run: Path, config: MdmTrainConfig = TINY) -> Training:
    data = hml3d_data.load(folder)
    vectors = caption_vectors.load(folder, "minilm")
    assert vectors is not None
    batches = hml3d_data.TextMotionBatches(data, config.batch_size, config.seed)
    recipe = MdmRecipe(config, batches, vectors)
    return Training(recipe, recipe.folder(run))


# ---------------------------------------------------------------- data


def test_items_of_a_folder(folder: Path) -> None:
    data = hml3d_data.load(folder)
    assert len(data.items) == 7
    part = next(i for i in data.items if i.captions[0].text == "a part")
    assert len(part.motion) == 50
    assert sorted(data.skipped) == ["000006", "000007", "000099"]
    assert set(data.captions) == {*CAPTIONS, "a part"}


def test_batches_are_windows_of_whole_units_and_repeat(folder: Path) -> None:
    data = hml3d_data.load(folder)
    batches = hml3d_data.TextMotionBatches(data, 3, 5)
    lengths = set()
    for step in range(12):
        batch, again = batches.at(step), hml3d_data.TextMotionBatches(data, 3, 5).at(step)
        np.testing.assert_array_equal(batch.x, again.x)
        assert batch.captions == again.captions
        for row, length in zip(batch.x, batch.lengths, strict=True):
            assert length % 4 == 0
            assert not row[length:].any()
            values = row[:length] * data.std + data.mean
            assert any(
                np.abs(item.motion[start : start + length] - values).max() < 1e-4
                for item in data.items
                for start in range(len(item.motion) - length + 1)
            )
        lengths |= set(batch.lengths.tolist())
    assert len(lengths) > 4


def test_processes_share_a_pass(folder: Path) -> None:
    data = hml3d_data.load(folder)
    alone = hml3d_data.TextMotionBatches(data, 4, 5)._rows(0)
    pair = [hml3d_data.TextMotionBatches(data, 2, 5, rank=r, world=2)._rows(0) for r in (0, 1)]
    np.testing.assert_array_equal(np.concatenate(pair), alone)


def test_a_batch_larger_than_the_data_repeats_it(folder: Path) -> None:
    batch = hml3d_data.TextMotionBatches(hml3d_data.load(folder), 16, 0).at(3)
    assert batch.x.shape == (16, 196, 263)


def test_folders_that_are_none(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"train\.txt"):
        hml3d_data.load(tmp_path)
    (tmp_path / "train.txt").write_text("000000\n")
    np.save(tmp_path / "Mean.npy", np.zeros(200))
    np.save(tmp_path / "Std.npy", np.ones(263))
    with pytest.raises(ArtifactError, match="263"):
        hml3d_data.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda p: (p / "train.txt").write_bytes(b"\xff\xfe"), "UTF-8"),
        (lambda p: (p / "texts" / "000000.txt").write_bytes(b"\xff\xfe"), "UTF-8"),
        (lambda p: np.save(p / "Mean.npy", np.full(263, 1e60)), "absurdly large"),
        (lambda p: np.save(p / "Std.npy", np.zeros(263)), "must be positive"),
        (lambda p: _to_evaluators(p / "Std.npy"), "evaluator's statistics"),
        (lambda p: np.savez((p / "new_joint_vecs" / "000000.npy").open("wb"), a=1), "archive"),
    ],
)
def test_files_of_a_folder_that_are_none(
    folder: Path, tmp_path: Path, change: Callable, named: str
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "data"))
    change(copy)
    with pytest.raises(KinetypeError) as caught:
        hml3d_data.load(copy)
    assert named in caught.value.message and caught.value.hint


def _to_evaluators(path: Path) -> None:
    std = np.load(path)
    for block in ("yaw_velocity", "root_velocity", "root_height", "contacts"):
        std[hml263.SPEC.columns(block)] /= 25
    np.save(path, std)


# ---------------------------------------------------------------- training


def test_the_loss_falls(folder: Path, tmp_path: Path) -> None:
    run = trainer(folder, tmp_path, replace(TINY, latent_dim=32))
    losses = [run.train_step()["loss"] for _ in range(60)]
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])


def test_a_resumed_run_equals_one_that_was_never_stopped(folder: Path, tmp_path: Path) -> None:
    whole = trainer(folder, tmp_path / "a")
    whole.fit()
    first = trainer(folder, tmp_path / "b", replace(TINY, num_steps=4))
    first.fit()
    second = trainer(folder, tmp_path / "b")
    second.resume()
    assert second.step == 4
    second.fit()
    for name, value in whole.recipe.net.state_dict().items():
        assert torch.equal(value, second.recipe.net.state_dict()[name]), name
    averages = whole.recipe.average, second.recipe.average
    assert averages[0] is not None and averages[1] is not None
    for name, value in averages[0].weights.items():
        assert torch.equal(value, averages[1].weights[name]), name


def test_checkpoints_are_read_like_released_ones(folder: Path, tmp_path: Path) -> None:
    run = trainer(folder, tmp_path)
    run.fit()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        *("Mean.npy", "Std.npy", "args.json", "log.jsonl"),
        *("model000000006.pt", "opt000000006.pt"),
    ]
    net = load_upstream(tmp_path)
    assert net.config.text_encoder == "minilm"
    assert run.recipe.average is not None
    for name, value in run.recipe.average.weights.items():  # args.json says use_ema
        assert torch.equal(net.state_dict()[name], value)
    values = json.loads((tmp_path / "args.json").read_text())
    assert (values["layers"], values["latent_dim"], values["diffusion_steps"]) == (1, 16, 20)


def test_resuming_what_does_not_fit(folder: Path, tmp_path: Path) -> None:
    trainer(folder, tmp_path, replace(TINY, num_steps=1)).fit()
    with pytest.raises(ArtifactError, match="cannot be resumed"):
        trainer(folder, tmp_path, replace(TINY, latent_dim=32)).resume()
    with pytest.raises(ArtifactError):
        trainer(folder, tmp_path / "empty").resume()


# ---------------------------------------------------------------- the command


def command(folder: Path, run: Path, *more: str) -> list[str]:
    words = [
        "train",
        "mdm",
        "--data",
        str(folder),
        "--run-dir",
        str(run),
        "--text-encoder",
        "minilm",
    ]
    words += ["--width", "16", "--layers", "1", "--diffusion-steps", "20", "--batch-size", "2"]
    return [*words, "--device", "cpu", "--offline", "--quiet", *more]


def test_the_command_trains_refuses_and_resumes(folder: Path, tmp_path: Path) -> None:
    from backend.cli.main import main

    run = tmp_path / "run"
    assert main(command(folder, run, "--steps", "2")) == 0
    assert main(command(folder, run, "--steps", "3")) == 2  # there is a run already
    assert main(command(folder, run, "--steps", "3", "--resume")) == 0
    assert (run / "model000000003.pt").is_file()
    assert main([*command(folder, run, "--resume"), "--layers", "2"]) == 2


@pytest.mark.parametrize(
    "option",
    [
        "--lr=nan",
        "--lr=-1",
        "--lr=0",
        "--lr=inf",
        "--minutes=nan",
        "--minutes=0",
        "--ema-decay=2",
        "--batch-size=0",
        "--steps=0",
        "--width=10000000",
        "--layers=0",
        "--seed=-1",
        "--diffusion-steps=1000000",
        "--device=tpu",
        "--resume",
    ],
)
def test_numbers_that_train_nothing(folder: Path, tmp_path: Path, capsys, option: str) -> None:
    from backend.cli.main import main

    assert main(command(folder, tmp_path / "run", option)) == 2
    said = capsys.readouterr().err
    assert said.startswith("error:") and "hint:" in said and not (tmp_path / "run").exists()
    named = {"--device": "'tpu'", "--resume": "no run to go on with"}
    flag = option.split("=")[0]
    assert named.get(flag, flag) in said


def test_a_diverged_training_saves_nothing(folder: Path, tmp_path: Path) -> None:
    wild = trainer(folder, tmp_path / "run", replace(TINY, num_steps=3, lr=float("inf")))
    with pytest.raises(ArtifactError, match="diverged") as caught:
        wild.fit()
    assert "--lr" in caught.value.hint
    last = trainer(folder, tmp_path / "last", replace(TINY, num_steps=1, lr=float("inf")))
    with pytest.raises(ArtifactError, match="diverged"):
        last.fit()
    assert not list(tmp_path.rglob("model*.pt"))


def test_two_processes_train_one_network(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    start = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    start += ["--master-addr", "127.0.0.1", "--master-port", "0", "--rdzv-backend", "c10d"]
    start += ["--rdzv-endpoint", "127.0.0.1:0", "-m", "backend"]
    done = subprocess.run(
        [*start, *command(folder, run, "--steps", "2", "--ema")],
        cwd=REPO,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert "2 process(es)" in done.stderr
    assert sorted(p.name for p in run.glob("*.pt")) == ["model000000002.pt", "opt000000002.pt"]
    trained = load_upstream(run)
    config = replace(TINY, batch_size=2, use_ema=True)
    start_net = trainer(folder, tmp_path / "same", config).recipe.net.state_dict()
    moved = [
        float((value - start_net[name]).abs().max())
        for name, value in trained.state_dict().items()
        if not name.endswith(".pe")
    ]
    assert max(moved) > 0.0


# ---------------------------------------------------------------- export of a dataset


def test_a_dataset_becomes_a_folder_that_trains(tmp_path: Path) -> None:
    features, items, start = [], [], 0
    for number, (length, mirrored, split) in enumerate(
        [(120, False, "train"), (120, True, "train"), (700, False, "train"), (90, False, "val")]
    ):
        x = smplrifke205.from_motion135(_swinging_clip(frames=length, seed=number // 2))
        clip = "take" if number < 2 else f"take{number}"
        items.append(Item(clip, split, start, len(x), 0, mirrored))
        features.append(x.astype(np.float32))
        start += len(x)
    dataset = MotionDataset(
        "smplrifke205",
        20.0,
        np.concatenate(features),
        np.zeros((1, 135), np.float32),
        (Clip("take", "train", 0, 1),),
        tuple(items),
        (("a # person swings", "swinging"),),
    )
    counts = hml3d_export.export(dataset, tmp_path, captions=2)
    assert counts == {"train": 5, "val": 1}
    names = (tmp_path / "train.txt").read_text().split()
    assert names == ["000000", "M000000", "000001_00", "000001_01", "000001_02"]
    data = hml3d_data.load(tmp_path)
    assert len(data.items) == 5
    assert not data.skipped
    assert set(data.captions) == {"a   person swings", "swinging"}
    # joints of the features are those of the dataset, on HumanML3D's skeleton
    first = np.load(tmp_path / "new_joint_vecs" / "000000.npy")
    joints = smplrifke205.decode(features[0])[2][:, :22] @ smplrifke205.Z_UP_FROM_Y_UP
    expected = hml263.canonicalise(joints.astype(np.float64))
    assert np.abs(hml263.decode_joints(first) - expected[:-1]).max() < 2e-3


def test_missing_captions_are_encoded_once(tmp_path: Path) -> None:
    asked: list[list[str]] = []

    def encoder():
        def encode(captions: list[str]) -> np.ndarray:
            asked.append(captions)
            return np.array([[len(c), 1.0] for c in captions], np.float32)

        return encode

    caption_vectors.ensure(tmp_path, "minilm", ["a", "bb"], encoder)
    found = caption_vectors.ensure(tmp_path, "minilm", ["bb", "ccc"], encoder)
    assert asked == [["a", "bb"], ["ccc"]]
    np.testing.assert_array_equal(found.of(["ccc", "a"])[:, 0], [3, 1])
    caption_vectors.ensure(tmp_path, "minilm", ["a"], encoder)
    assert len(asked) == 2
    with pytest.raises(InvalidRequest, match="clip"):
        caption_vectors.text_encoder("word2vec")

"""The whole route on recordings that the test writes: BVH, dataset, training, model folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.cli.main import main
from backend.errors import FormatError
from backend.evaluation.evaluators.starter import StarterEvaluator
from backend.pipelines.dit import DiTPipeline
from backend.training.data.dataset import MotionDataset
from backend.training.run import load_state

from .bvh_files import write_dataset

TINY = {
    "model": {"width": 32, "depth": 1, "heads": 2, "stem_width": 16},
    "schedule_steps": 50,
    "sampling": {"frames_per_batch": 160, "bucket": 2},
    "warmup": 5,
    "lr": 3e-3,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    bvh, captions, split, profile = write_dataset(folder)
    out = folder / "data"
    arguments = ["--bvh", bvh, "--captions", captions, "--profile", profile, "--out", out]
    assert main(["train", "data", *map(str, arguments)]) == 0
    assert split.is_file()
    return out


def test_dataset_has_mirrored_items_with_mirrored_captions(data: Path) -> None:
    dataset = MotionDataset.load(data)
    assert len(dataset.clips) == 4
    assert len(dataset.items) == 3 * 2 + 1  # the validation clip is not mirrored
    first = [i for i in dataset.items if i.clip == "take_0"]
    assert "right" in dataset.pools[first[0].pool][0]
    assert "left" in dataset.pools[first[1].pool][0]
    original, mirrored = (dataset.item_features(i) for i in first)
    assert original[:, 3] == pytest.approx(-mirrored[:, 3], abs=1e-5)  # turning is reversed
    # the height is not, but the neutral skeleton is not quite symmetric
    assert original[:, 0] == pytest.approx(mirrored[:, 0], abs=1e-3)


def test_training_learns_resumes_and_exports(data: Path, tmp_path: Path) -> None:
    config = tmp_path / "tiny.json"
    config.write_text(json.dumps(TINY), encoding="utf-8")
    run = tmp_path / "run"
    base = ["train", "dit", "--data", str(data), "--run", str(run), "--precision", "fp32"]
    assert main([*base, "--config", str(config), "--steps", "60"]) == 0
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [50, 60]
    assert main([*base, "--resume", "--steps", "150"]) == 0
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 150
    assert rows[-1]["loss"] < 0.8 * rows[0]["loss"]
    assert int(load_state(run)["step"]) == 150

    out = tmp_path / "model"
    export = ["train", "export", "--run", str(run), "--data", str(data), "--out"]
    assert main([*export, str(out)]) == 0
    pipeline = DiTPipeline.from_pretrained(out, device="cpu", local_files_only=True)
    clip = pipeline.infer_t2m(["a person waves the left arm"], [40], seed=1, steps=4)[0]
    assert clip.shape == (40, 205) and np.isfinite(clip).all()

    theirs = tmp_path / "theirs"
    theirs.mkdir()
    files = {"config.json": '{"architectures": ["BertModel"]}', "model.safetensors": "months"}
    for name, text in files.items():
        (theirs / name).write_text(text)
    for folder, options in ((theirs, []), (theirs, ["--overwrite"]), (out, []), (run, [])):
        assert main([*export, str(folder), *options]) == 1
    assert {p.name: p.read_text() for p in theirs.iterdir()} == files
    assert int(load_state(run)["step"]) == 150
    assert main([*export, str(out), "--overwrite"]) == 0

    again = tmp_path / "again"
    start = ["--run", str(again), "--init", str(out), "--config", str(config), "--steps", "1"]
    assert main(["train", "dit", "--data", str(data), "--precision", "fp32", *start]) == 0
    state = load_state(again)
    assert state["mean"] == pytest.approx(pipeline.stats.mean)
    for name, value in pipeline.net.state_dict().items():
        assert (state["net"][name] - value).abs().max() < 0.01  # one small step away from the model


def test_an_evaluator_is_trained_resumed_and_written(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = tmp_path / "run", tmp_path / "evaluator"
    base = ["train", "tmr", "--data", str(data), "--run", str(run), "--frames", "200", "--quiet"]
    assert main([*base, "--steps", "2"]) == 0
    assert int(load_state(run)["step"]) == 2
    assert main([*base, "--steps", "4", "--resume", "--out", str(out)]) == 0
    assert int(load_state(run)["step"]) == 4
    assert StarterEvaluator.from_pretrained(out).max_frames > 0
    capsys.readouterr()
    assert main([*base, "--steps", "5", "--resume", "--out", str(out)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert int(load_state(run)["step"]) == 4  # nothing was trained
    assert main([*base, "--steps", "4", "--resume", "--frames", "300"]) == 2
    assert "cannot change frames" in capsys.readouterr().err


def test_what_is_missing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "captions.json").write_text('{"clips": {}}', encoding="utf-8")
    (tmp_path / "split.json").write_text('{"train": [], "val": []}', encoding="utf-8")
    arguments = ["--bvh", empty, "--captions", tmp_path / "captions.json", "--out", tmp_path / "o"]
    assert main(["train", "data", *map(str, arguments)]) == 1
    assert "BVH" in capsys.readouterr().err
    assert main(["train", "dit", "--data", str(empty), "--run", str(tmp_path / "r")]) == 1
    assert "kinetype train data" in capsys.readouterr().err
    with pytest.raises(FormatError):
        MotionDataset.load(empty)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("[1]", "must hold a JSON object"),
        ('{"learning_rate": 1}', "unknown entries: learning_rate"),
        ('{"model": {"widht": 32}}', "unknown entries: widht"),
        ('{"model": 3}', "model must be an object"),
        ('{"lr": "fast"}', "lr cannot be 'fast'"),
        ('{"model": {"width": 33, "heads": 2}}', "width 33 is not a multiple of heads 2"),
        ('{"model": {"action_words": 3}}', "model.action_words is 3"),
    ],
)
def test_a_wrong_configuration_is_refused_before_training(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    config = tmp_path / "mine.json"
    config.write_text(text, encoding="utf-8")
    run = tmp_path / "run"
    arguments = ["--data", data, "--run", run, "--config", config, "--steps", 5]
    assert main(["train", "dit", *map(str, arguments)]) == 2
    printed = capsys.readouterr().err
    assert said in printed and "hint:" in printed
    assert not run.exists()


def test_resuming_where_nothing_was_trained_says_so(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", data, "--run", tmp_path / "none", "--resume", "--steps", 5]
    assert main(["train", "dit", *map(str, arguments)]) == 2
    assert "holds no run to go on with" in capsys.readouterr().err

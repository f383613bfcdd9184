"""Captions to evaluated motions in stages that can be stopped and go on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from backend.batch import chain
from backend.cli.main import main
from backend.errors import InternalError, InvalidRequest
from backend.motion.representations import motion135, smplrifke205

from ..model_zoo import tiny


class Walker:
    """Features of a standing body whose arms depend on caption and seed."""

    config = SimpleNamespace(fps=20.0)

    def __init__(self, fail: str = "") -> None:
        self.calls: list[int] = []
        self.fail = fail

    def infer_t2m(
        self, captions: Sequence[str], lengths: Sequence[int], *, seed: int | None = None
    ) -> list[np.ndarray]:
        assert seed is not None
        self.calls.append(len(captions))
        if self.fail in captions:
            raise InternalError("it broke", "try again")
        return [clip(n, seed + i) for i, n in enumerate(lengths)]


def clip(frames: int, seed: int) -> np.ndarray:
    rotations = np.broadcast_to(np.eye(3), (round(frames * 1.5), 22, 3, 3))
    root = np.tile([0.0, 0.95, 0.0], (len(rotations), 1))
    root[:, 2] = np.linspace(0, 0.1 + 0.01 * seed, len(root))
    return smplrifke205.from_motion135(motion135.pack(root, rotations), 30.0)[:frames]


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    folder = tmp_path / "captions"
    folder.mkdir()
    for i in range(5):
        (folder / f"c{i}.txt").write_text(f"caption {i}#a/DET#0.0#0.0\n")
    (folder / "c9.txt").write_text("\n")
    return folder


def work(pipeline: Walker, folder: Path) -> chain.NativeWork:
    return chain.NativeWork(folder, pipeline=pipeline)


def plan(captions: Path) -> list[chain.GenerationJob]:
    jobs, skipped = chain.plan(captions, None, None, fps=20.0, seconds=1.5, seed=7)
    assert skipped == {"c9": "no caption"}
    return jobs


def test_a_run_that_goes_on_gives_the_files_of_one_run(captions: Path, tmp_path: Path) -> None:
    jobs = plan(captions)
    assert [(j.name, j.caption, j.frames, j.seed) for j in jobs][1] == ("c1", "caption 1", 30, 8)
    chain.generate(work(Walker(), tmp_path / "one"), jobs, batch=2)
    chain.generate(work(Walker(), tmp_path / "two"), jobs, batch=3)
    for name in ("c1", "c2"):
        (tmp_path / "two" / f"{name}.npy").unlink()
    pipeline = Walker()
    found = chain.generate(work(pipeline, tmp_path / "two"), jobs, batch=3, skip_existing=True)
    assert found["made"] == 3 and found["skipped"] == 2 and pipeline.calls == [3]
    for job in jobs:
        a, b = (np.load(tmp_path / run / f"{job.name}.npy") for run in ("one", "two"))
        assert np.array_equal(a, b)


def test_what_fails_is_named_and_the_rest_goes_on(captions: Path, tmp_path: Path) -> None:
    found = chain.generate(
        work(Walker(fail="caption 3"), tmp_path / "out"), plan(captions), batch=1
    )
    assert found["failed"] == 1 and found["failures"][0]["name"] == "c3"
    assert sorted(p.stem for p in (tmp_path / "out").iterdir()) == ["c0", "c1", "c2", "c4"]


def test_lengths_come_from_real_motions(captions: Path, tmp_path: Path) -> None:
    gt = tmp_path / "gt"
    gt.mkdir()
    np.save(gt / "c2.npy", np.zeros((90, 272), np.float32) + 0.1)
    jobs, skipped = chain.plan(captions, None, gt, fps=20.0, seconds=None, seed=0)
    assert [(j.name, j.frames) for j in jobs] == [("c2", 60)] and len(skipped) == 5
    with pytest.raises(InvalidRequest, match="lengths"):
        chain.plan(captions, None, None, fps=20.0, seconds=None, seed=0)


def test_the_whole_chain_from_the_command_line(captions: Path, tmp_path: Path) -> None:
    model = tiny("dit", tmp_path).save_pretrained(tmp_path / "model")
    out = tmp_path / "run"
    command = ["batch", "chain", "--captions", str(captions), "--seconds", "1.5", "--quiet"]
    command += ["--model", str(model), "--device", "cpu", "--workers", "2"]
    command += ["--out", str(out)]
    assert main(command) == 0
    assert np.load(out / "ms272" / "c4.npy").shape[1] == 272
    assert main([*command, "--stages", "joints66"]) == 0
    assert np.load(out / "joints66" / "c4.npy").shape[1] == 66
    gt = tmp_path / "gt"
    gt.mkdir()
    for i in range(5):
        data = smplrifke205.to_motion135(clip(30, 70 + i), 30.0)
        np.save(gt / f"c{i}.npy", data.astype(np.float32))
    evaluated = [*command, "--gt", str(gt), "--skip-existing", "--stages", "generate", "motion135"]
    assert main([*evaluated, "evaluate"]) == 0
    summary = json.loads((out / "run_summary.json").read_text())
    assert summary["stages"]["generate"]["skipped"] == 5
    assert summary["stages"]["motion135"]["skipped"] == 5
    report = json.loads((out / "evaluation.json").read_text())
    assert report["table"]["predictions"]["slide"]["mean"] > 0


def test_stages_start_where_the_bridge_does() -> None:
    assert chain.before("ms272", "ik") == "motion135" == chain.before("joints66", "native")
    assert chain.before("ms272", "native") == chain.NATIVE == chain.before("motion135", "ik")
    folders = {name: chain.folder_for(name) for name in ("hml263", "ms272", "joints66", "physical")}
    assert list(folders.values()) == ["native", "ms272", "joints66", "motion135"]


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "sub/a", "..\\a"])
def test_a_split_cannot_lead_out_of_the_run_folder(
    captions: Path, tmp_path: Path, name: str
) -> None:
    (captions.parent / "a.txt").write_text("a person walks\n", encoding="utf-8")
    split = tmp_path / "split.txt"
    split.write_text(f"{name}\n", encoding="utf-8")
    with pytest.raises(InvalidRequest, match="not a file name"):
        chain.plan(captions, split, None, fps=20.0, seconds=2.0, seed=0)

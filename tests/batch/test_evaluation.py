"""``kinetype batch evaluate`` and ``batch convert``, and what ``batch chain`` looks at first."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backend.batch import evaluation
from backend.batch.work import FAILED, KEPT
from backend.batch.workers import Workers
from backend.cli.main import main
from backend.errors import FormatError, InvalidRequest
from backend.evaluation.settings import EvaluationSettings
from backend.motion.io import npz
from backend.wire.messages import Motion

from ..model_zoo import tiny


@pytest.fixture
def folders(make_motion, tmp_path: Path) -> tuple[Path, Path]:
    """Real motions and predictions, five each; one of the predictions is damaged."""
    gt, pred = tmp_path / "gt", tmp_path / "pred"
    for seed in range(5):
        npz.write_motion(gt / f"m{seed}.npz", Motion(make_motion(40, seed)))
        npz.write_motion(pred / f"m{seed}.npz", Motion(make_motion(40, seed + 9)))
    (pred / "m3.npz").write_bytes(b"no motion")
    return gt, pred


def test_reports_are_those_of_evaluate_whoever_makes_them(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gt, pred = map(str, folders)
    alone = ["evaluate", "--evaluator", "physical", "--gt", gt, "--pred", pred]
    assert main([*alone, "--out", str(tmp_path / "alone")]) == 0
    expected = json.loads((tmp_path / "alone" / "evaluation.json").read_text())
    batch = ["batch", "evaluate", "--gt", gt, "--pred", pred, "--quiet"]
    for workers in ("1", "2"):
        out = tmp_path / f"by{workers}"
        assert main([*batch, "--out", str(out), "--workers", workers]) == 0
        found = json.loads((out / "physical_pred" / "evaluation.json").read_text())
        for key in ("table", "n", "skipped", "missing_predictions", "protocol"):
            assert found[key] == expected[key], key
    assert "predictions: m3" in found["skipped"] and found["n"] == 5
    said = capsys.readouterr().out
    assert "physical_pred" in said and "jerk_m_s3" in said

    # predictions alone, and what was measured is not measured again
    assert main([*batch[:2], "--pred", pred, "--out", str(out), "--check"]) == 0
    items = evaluation.plan([EvaluationSettings("physical", gt=Path(pred), gt_only=True)])
    made = evaluation.make(items, out, Workers(here=True))
    lines = (out / evaluation.MEASURES).read_text().splitlines()
    assert made.outcomes[0].status != FAILED and len(lines) == 11  # the damaged one once more


def test_what_cannot_be_judged_is_said_first(folders: tuple[Path, Path], tmp_path: Path) -> None:
    gt, pred = folders
    captions = tmp_path / "captions"
    captions.mkdir()
    for error, says, settings in (
        (InvalidRequest, "no folder", EvaluationSettings("physical", gt=tmp_path / "none")),
        (InvalidRequest, "captions", EvaluationSettings("hml263", gt=gt, predictions=pred)),
        (InvalidRequest, "too few", EvaluationSettings("ms272", gt=gt, captions=captions)),
    ):
        with pytest.raises(error, match=says):
            evaluation.check(settings)
    many = tmp_path / "many"
    many.mkdir()
    for index in range(40):
        np.save(many / f"{index}.npy", np.full((30, 263), 0.1, np.float32))
    with pytest.raises(FormatError, match="hml263; ms272 reads ms272"):
        evaluation.check(EvaluationSettings("ms272", gt=many, captions=captions))
    twice = EvaluationSettings("physical", gt=gt, predictions=pred)
    with pytest.raises(InvalidRequest, match="Two reports"):
        evaluation.plan([twice, twice])


def test_a_chain_that_cannot_be_judged_makes_nothing(tmp_path: Path) -> None:
    model = tiny("dit", tmp_path).save_pretrained(tmp_path / "model")
    captions, gt, out = tmp_path / "captions", tmp_path / "gt", tmp_path / "out"
    for folder in (captions, gt):
        folder.mkdir()
    for index in range(3):
        (captions / f"{index}.txt").write_text("a person walks\n")
        np.save(gt / f"{index}.npy", np.full((60, 263), 0.1, np.float32))
    chain = ["batch", "chain", "--captions", captions, "--model", model, "--out", out, "--quiet"]
    for more in (
        ["--gt", gt, "--stages", "generate", "evaluate", "--evaluator", "ms272"],
        ["--seconds", "1.5", "--stages", "generate", "evaluate"],
        ["--seconds", "0.1"],
    ):
        assert main([*map(str, [*chain, *more])]) == 2
        assert not out.exists()


def test_a_folder_is_converted_by_workers(folders: tuple[Path, Path], tmp_path: Path) -> None:
    gt, _ = map(str, folders)
    out = tmp_path / "joints"
    convert = ["batch", "convert", gt, str(out), "--to", "joints66", "--quiet"]
    assert main([*convert, "--workers", "2"]) == 0
    assert sorted(p.name for p in out.glob("*.npy")) == [f"m{i}.npy" for i in range(5)]
    assert main([*convert, "--collect"]) == 2


def test_measures_are_kept() -> None:
    """An outcome without files is kept for its record."""
    from backend.batch.stage import _kept
    from backend.batch.work import DONE, Outcome

    item = evaluation.Measured("a", "key")
    known = {"a": Outcome("a", DONE, "key", record={"jerk": 1.0})}
    kept = _kept(item, known, Path())
    assert kept is not None and kept.status == KEPT and kept.record == {"jerk": 1.0}
    assert _kept(item, {"a": Outcome("a", DONE, "key")}, Path()) is None
    assert _kept(evaluation.Measured("a", "other"), known, Path()) is None


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_a_full_disk_is_counted_and_its_files_are_named(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    """A limit on the size of files stands in for the disk."""
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))\n"
        "from backend.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    command = ["convert", str(folders[0]), str(tmp_path / "out"), "--to", "joints66", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", program, *command],
        cwd=Path(__file__).resolve().parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and "m0.npy cannot be written: " in done.stderr
    assert "/.m0" not in done.stderr
    told = json.loads(done.stdout)
    assert told["failed"] == 5 and [f["file"] for f in told["failures"]][:2] == ["m0.npz", "m1.npz"]
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left <= {".kinetype-convert.jsonl", "convert_summary.json"}

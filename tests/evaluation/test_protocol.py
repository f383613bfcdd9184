"""Repeats, intervals, rows and what takes part."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.cli.main import main
from backend.errors import FormatError, InvalidRequest
from backend.evaluation import physical_rows, protocol, test_set
from backend.motion.representations import motion135


def embeddings(n: int = 96, noise: float = 0.5) -> tuple[protocol.Texts, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    text = rng.normal(size=(n, 12))
    real = text + 0.1 * rng.normal(size=text.shape)
    generated = text + noise * rng.normal(size=text.shape)
    return protocol.Texts.from_counts(text, [1] * n), real, generated


def walk(frames: int = 60, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    root = np.cumsum(rng.normal(0.01, 0.001, (frames, 3)), 0) * [1, 0, 1] + [0, 0.95, 0]
    rotations = np.broadcast_to(np.eye(3), (frames, 22, 3, 3))
    return motion135.pack(root, rotations).astype(np.float32)


def test_rows_stand_in_the_right_order() -> None:
    texts, real, generated = embeddings()
    table = protocol.evaluate(protocol.Protocol("test", repeats=8), texts, real, generated)
    assert list(table) == [protocol.GT, protocol.PREDICTION, protocol.SHUFFLED]
    top1 = {name: row["R@1"].mean for name, row in table.items()}
    assert top1[protocol.GT] > top1[protocol.PREDICTION] > top1[protocol.SHUFFLED] + 0.2
    assert top1[protocol.SHUFFLED] < 0.1
    assert table[protocol.PREDICTION]["FD"].mean > 0
    assert "FD" not in table[protocol.GT]
    assert table[protocol.PREDICTION]["R@1"].low < top1[protocol.PREDICTION]
    text = protocol.as_text(table)
    assert text.splitlines()[1].startswith(protocol.GT) and "±" in text


def test_a_seed_repeats_the_table_and_another_changes_it() -> None:
    texts, real, generated = embeddings()
    made = [
        protocol.as_json(
            protocol.evaluate(protocol.Protocol("t", repeats=3, seed=s), texts, real, generated)
        )
        for s in (1, 1, 2)
    ]
    assert made[0] == made[1] != made[2]


def test_random_captions_are_drawn_again_in_each_repeat() -> None:
    texts, real, _ = embeddings()
    wrong = np.zeros_like(texts.embeddings)
    both = np.stack([texts.embeddings, wrong], 1).reshape(-1, wrong.shape[1])
    two = protocol.Texts.from_counts(both, [2] * len(real))
    first = protocol.evaluate(protocol.Protocol("t", repeats=5), two, real)
    drawn = protocol.evaluate(protocol.Protocol("t", repeats=5, caption="random"), two, real)
    assert first[protocol.GT]["R@1"].mean > 0.95
    assert 0.3 < drawn[protocol.GT]["R@1"].mean < 0.7


def test_too_few_motions_and_bad_settings_are_refused() -> None:
    texts, real, _ = embeddings(31)
    with pytest.raises(InvalidRequest, match="galleries of 32") as caught:
        protocol.evaluate(protocol.Protocol("t"), texts, real)
    assert "physical" in caught.value.hint
    with pytest.raises(InvalidRequest, match="caption choice"):
        protocol.Protocol("t", caption="best")
    with pytest.raises(InvalidRequest, match="repeats"):
        protocol.Protocol("t", repeats=0)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for name in ("gt", "pred", "captions"):
        (tmp_path / name).mkdir()
    for i in range(4):
        np.save(tmp_path / "gt" / f"c{i}.npy", walk(seed=i))
        np.save(tmp_path / "pred" / f"c{i}.npy", walk(seed=i + 9))
        (tmp_path / "captions" / f"c{i}.txt").write_text("a person walks.#a/DET#0.0#0.0\n")
    return tmp_path


def read(folder: Path, names: list[str]) -> test_set.TestSet:
    return test_set.read(
        names,
        folder / "gt",
        folder / "pred",
        folder / "captions",
        representation="motion135",
        fps=30.0,
        check=lambda x, what: x,
    )


def test_nothing_is_dropped_in_silence(folders: Path) -> None:
    (folders / "pred" / "c1.npy").unlink()
    (folders / "captions" / "c2.txt").unlink()
    found = read(folders, ["c0", "c1", "c2", "c3", "c9"])
    assert found.names == ["c0", "c3"] and found.missing == ["c1"]
    assert found.skipped == {"c1": "no prediction", "c2": "no captions", "c9": "no captions"}


def test_the_wrong_representation_is_named(folders: Path) -> None:
    np.save(folders / "pred" / "c0.npy", np.zeros((60, 263), np.float32))
    with pytest.raises(FormatError, match="hml263; this evaluator reads motion135") as caught:
        read(folders, ["c0"])
    assert "--from hml263 --to motion135" in caught.value.hint
    with pytest.raises(InvalidRequest, match="not a file name"):
        read(folders, ["../gt/c0"])


def test_physical_command(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folders / "pred" / "c3.npy").unlink()
    command = ["evaluate", "--evaluator", "physical", "--gt", str(folders / "gt")]
    out = folders / "out"
    assert main([*command, "--pred", str(folders / "pred"), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "jerk_m_s3" in printed and "1 of them have no prediction" in printed
    report = json.loads((out / "evaluation.json").read_text())
    assert report["missing_predictions"] == ["c3"] and report["n"] == 4
    real = [physical_rows.motion_metrics(folders / "gt" / f"c{i}.npy")["slide"] for i in range(4)]
    assert report["table"][protocol.GT]["slide"]["mean"] == pytest.approx(np.mean(real))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--evaluator", "physical"], "no folder of real motions"),
        (["--evaluator", "hml263", "--gt", "gt", "--pred", "pred"], "need captions"),
        (["--evaluator", "tmr", "--gt", "gt", "--pred", "pred", "--captions", "captions"],
         "needs its published files"),
        (["--gt", "gt"], "no folder of predictions"),
        (["--model", "starter", "--evaluator", "hml263"], "own captions"),
        (["--model", "starter", "--limit", "0"], "leaves nothing"),
        (["--multimodality", "--gt", "gt", "--pred", "pred"], "the model itself"),
        (["--model", "starter", "--mm-pairs", "3"], "Add --multimodality"),
        (["--model", "starter", "--multimodality", "--mm-samples", "5"], "10 pairs"),
        (["--model", "starter", "--multimodality", "--mm-captions", "0"], "captions"),
    ],
)  # fmt: skip
def test_bad_commands(
    folders: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folders)
    assert main(["evaluate", *arguments]) == 2
    assert message in capsys.readouterr().err

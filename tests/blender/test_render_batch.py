"""``scripts/render_batch.py`` with the real service and made-up pipelines."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytest.importorskip("bpy")

REPO = Path(__file__).resolve().parents[2]
SCRIPT = REPO / "scripts" / "render_batch.py"
FAKE_SERVER = REPO / "tests" / "service" / "fake_server.py"


@pytest.fixture
def run_batch(tmp_path: Path, backend_python: str):
    """``run_batch(*options)`` -> (exit code, results.json or None, what it printed)."""

    def run(*options: object) -> tuple[int, dict[str, Any] | None, str]:
        command = f'"{backend_python}" "{FAKE_SERVER}"'
        done = subprocess.run(
            [
                sys.executable, str(SCRIPT), "--out", str(tmp_path / "out"), "--model", "fake",
                "--seconds", "0.5", "--width", "32", "--height", "32", "--fps", "8",
                "--backend-command", command, *map(str, options),
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(REPO)},
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )  # fmt: skip
        path = tmp_path / "out" / "results.json"
        results = json.loads(path.read_text()) if path.exists() else None
        return done.returncode, results, done.stdout + done.stderr

    return run


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def evaluated(folder: Path, tmp_path: Path, *names: str) -> dict[str, float]:
    """The row that ``kinetype evaluate`` writes about these files."""
    from backend.cli.main import main

    split = write(tmp_path / "split.txt", "\n".join(names) + "\n")
    options = ["--evaluator", "physical", "--gt-only", "--gt", folder, "--split", split]
    assert main(["evaluate", *map(str, options), "--out", str(tmp_path / "evaluated")]) == 0
    report = json.loads((tmp_path / "evaluated" / "evaluation.json").read_text())
    assert report["n"] == len(names) and not report["skipped"]
    return {name: value["mean"] for name, value in report["table"]["ground truth"].items()}


def test_one_file_set_per_motion_and_metrics(
    run_batch, tmp_path: Path, backend_python: str
) -> None:
    prompts = write(tmp_path / "prompts.txt", "# a comment\na person walks\n\na fish swims\n")
    options = ("--prompts", prompts, "--evaluate", "--backend-python", backend_python)
    code, results, log = run_batch(*options)
    assert code == 0, log
    assert not re.search(r"(?i)append frame|saved|fra:", log), log
    assert results is not None and (results["succeeded"], results["failed"]) == (2, 0)
    walk, fish = results["results"]
    assert walk["name"] == "000_a_person_walks" and walk["meta"]["prompt"] == "a person walks"
    assert set(walk["files"]) == {"npz", "blend", "mp4"}
    for path in walk["files"].values():
        assert (tmp_path / "out" / path).stat().st_size > 500
    assert fish["warnings"] == ["Far from what it knows."]
    assert walk["metrics"]["jerk_m_s3"] > 0 and "jerk_m_s3=" in log
    for entry in results["results"]:
        assert entry["metrics"] == evaluated(tmp_path / "out", tmp_path, entry["name"])
    means = {k: np.mean([walk["metrics"][k], fish["metrics"][k]]) for k in walk["metrics"]}
    both = evaluated(tmp_path / "out", tmp_path, "000_a_person_walks", "001_a_fish_swims")
    assert both == pytest.approx(means)
    # what the panel shows is this, but for rounding
    shown = walk["meta"]["scores"]
    assert {k: shown[k] for k in walk["metrics"]} == pytest.approx(walk["metrics"], rel=1e-5)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()}

    results["results"][0] = {
        k: v for k, v in walk.items() if k != "metrics"
    }  # as of a run without --evaluate
    write(tmp_path / "out" / "results.json", json.dumps(results))
    code, results, log = run_batch(*options, "--skip-existing")
    assert code == 0 and results is not None
    assert [r["status"] for r in results["results"]] == ["kept", "kept"]
    assert results["results"][0]["metrics"] == walk["metrics"]
    after = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()}
    before.pop(tmp_path / "out" / "results.json"), after.pop(tmp_path / "out" / "results.json")
    assert before == after


def test_a_failing_prompt_does_not_stop_the_others(run_batch, tmp_path: Path) -> None:
    jobs = [
        {"prompt": "one"},
        {"prompt": "   ", "name": "blank"},
        {"prompt": "x", "model": "dies", "name": "crash"},
        {"prompt": "x", "model": "none-such", "name": "unknown"},
        {"prompt": "two", "samples": 2, "seed": 5, "name": "pair"},
    ]
    path = write(tmp_path / "jobs.json", json.dumps(jobs))
    (tmp_path / "out" / "pair_01").mkdir(parents=True)
    for name in ("frame_0006.png", "frame_10000.png", "frame_x.png", "note.txt"):
        write(tmp_path / "out" / "pair_01" / name, "of an earlier, longer motion")
    code, results, log = run_batch("--jobs", path, "--format", "png")
    assert code == 1, log
    assert results is not None
    found = {r["name"]: r for r in results["results"]}
    assert {n: r["status"] for n, r in found.items()} == {
        "000_one": "ok", "blank": "failed", "crash": "failed", "unknown": "failed",
        "pair_00": "ok", "pair_01": "ok",
    }  # fmt: skip
    assert found["blank"]["error"]["code"] == "invalid_request"
    assert found["crash"]["error"]["code"] == "service"
    assert found["unknown"]["error"]["code"] == "model_not_found"
    assert [found[n]["meta"]["seed"] for n in ("pair_00", "pair_01")] == [5, 6]
    frames = sorted((tmp_path / "out" / "pair_01").iterdir())
    mine = ["frame_x.png", "note.txt"]
    assert [f.name for f in frames] == [*(f"frame_{i:04d}.png" for i in range(1, 6)), *mine]


@pytest.fixture
def script() -> ModuleType:
    """The program as a module."""
    spec = importlib.util.spec_from_file_location("kinetype_render_batch", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def hide_scipy(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in Blender's own Python."""
    monkeypatch.setattr(
        script,
        "find_spec",
        lambda name: None if name == "scipy" else importlib.util.find_spec(name),
    )


def test_metrics_that_cannot_be_computed_are_refused_first(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide_scipy(script, monkeypatch)
    prompts = write(tmp_path / "p.txt", "walk")
    out = tmp_path / "out"
    assert script.main(["--prompts", str(prompts), "--out", str(out), "--evaluate"]) == 2
    assert not out.exists()


@pytest.mark.parametrize(
    ("program", "words"), [("no-such-python", "cannot be run"), ("false", "needs scipy")]
)
def test_a_python_that_cannot_measure_is_refused_first(
    script: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    program: str,
    words: str,
) -> None:
    hide_scipy(script, monkeypatch)
    options = ["--prompts", str(write(tmp_path / "p.txt", "walk")), "--out", str(tmp_path / "out")]
    assert script.main([*options, "--evaluate", "--backend-python", program]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "jobs",
    [
        "[]",
        "{}",
        "not json",
        '[{"seed": 1}]',
        '[{"prompt": "x", "sneed": 1}]',
        '[{"prompt": "x", "name": "../up"}]',
        '[{"prompt": "x", "name": ".."}]',
        '[{"prompt": "x", "name": 5}]',
        '[{"prompt": "x", "name": "..\\\\up"}]',
        '[{"prompt": "x", "name": "C:up"}]',
        '[{"prompt": "x", "name": "two\\nlines"}]',
        '[{"prompt": "x", "name": "a.npz"}]',
        '[{"prompt": "x", "name": "results.json"}]',
        f'[{{"prompt": "x", "name": "{"x" * 201}"}}]',
        '[{"prompt": "x", "seconds": NaN}]',
        '[{"prompt": "x", "guidance_scale": -Infinity}]',
        '[{"prompt": "x", "name": "a"}, {"prompt": "y", "name": "A"}]',
        "[" * 100_000,
        '[{"prompt": "x", "name": "a"}, {"prompt": "y", "name": "a"}]',
    ],
)
def test_wrong_job_files_are_named_before_any_work(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], jobs: str
) -> None:
    path = write(tmp_path / "jobs.json", jobs)
    assert script.main(["--jobs", str(path), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "error: " in said and not said.rstrip().endswith("hint:")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        (("--fps", "0"), 2, "frame rate"),
        (("--width", "1"), 2, "picture size"),
        (("--out", "taken/deeper"), 1, "Cannot write"),
        pytest.param(
            ("--out", "a\\b"),
            1,
            "backslash",
            marks=pytest.mark.skipif(os.sep == "\\", reason="POSIX"),
        ),
    ],
)
def test_what_cannot_work_is_said_before_any_work(
    script: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, str],
    code: int,
    word: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    prompts = write(tmp_path / "p.txt", "walk")
    write(tmp_path / "taken", "mine")
    assert script.main(["--prompts", str(prompts), "--out", "out", *options]) == code
    said = capsys.readouterr().err
    assert word in said and "hint: " in said and "[1/1]" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.txt", "taken"]


def test_a_run_that_is_cut_short_forgets_nothing(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend_python: str
) -> None:
    """The first motion fails; Ctrl-C while it is made again must not cost those after it."""
    monkeypatch.setenv("PYTHONPATH", str(REPO))
    jobs = [{"prompt": "one", "name": "a"}, {"prompt": "two", "name": "b", "model": "fake"}]
    path, out = write(tmp_path / "jobs.json", json.dumps(jobs)), tmp_path / "out"
    options = [
        "--jobs", path, "--out", out, "--model", "none-such", "--seconds", "0.5", "--fps", "4",
        "--format", "png", "--width", "32", "--height", "32", "--skip-existing",
        "--backend-command", f'"{backend_python}" "{FAKE_SERVER}"',
    ]  # fmt: skip

    def results() -> dict[str, str]:
        found = json.loads((out / "results.json").read_text())
        assert (found["succeeded"], found["failed"]) == (1, len(found["results"]) - 1)
        return {entry["name"]: entry["status"] for entry in found["results"]}

    assert script.main(list(map(str, options))) == 1
    assert results() == {"a": "failed", "b": "ok"}
    kept = script.Batch._kept

    def interrupted(batch, name: str, job: object) -> object:
        if name == "b":
            raise KeyboardInterrupt
        return kept(batch, name, job)

    monkeypatch.setattr(script.Batch, "_kept", interrupted)
    assert script.main(list(map(str, options))) == script.EXIT_CANCELLED
    assert results() == {"a": "failed", "b": "ok"}
    monkeypatch.undo()
    monkeypatch.setenv("PYTHONPATH", str(REPO))
    assert script.main(list(map(str, options))) == 1
    assert results() == {"a": "failed", "b": "kept"}


def test_a_backend_that_cannot_start_names_the_options(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts, out = write(tmp_path / "p.txt", "walk"), tmp_path / "out"
    ends = write(tmp_path / "ends", "#!/bin/sh\necho nothing here >&2\nexit 3\n")
    ends.chmod(0o755)
    words = ["--prompts", prompts, "--out", out, "--backend-python", ends]
    assert script.main(list(map(str, words))) == 1
    (result,) = json.loads((out / "results.json").read_text())["results"]
    assert result["error"]["code"] == "service"
    assert "--backend-python" in result["error"]["hint"]
    assert "--backend-python" in capsys.readouterr().err


def test_a_python_without_blender_is_told_so() -> None:
    done = subprocess.run(
        [sys.executable, "-S", str(SCRIPT), "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "has no Blender" in done.stderr and "blender -b" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_readme_command_works_from_any_folder(tmp_path: Path, backend_python: str) -> None:
    """Interpreter, prompts, model and output are relative paths there."""
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    write(python, f'#!/bin/sh\nexec "{backend_python}" "$@"\n').chmod(0o755)
    shutil.copytree(REPO / "backend" / "assets" / "starter", tmp_path / "models/mine")
    write(tmp_path / "prompts.txt", "a person walks\n")
    options = "--prompts prompts.txt --out renders/ --backend-python .venv/bin/python"
    quick = (
        "--model models/mine --offline --seconds 1.5 --width 32 --height 32 --fps 8 --format png"
    )
    command = [sys.executable, str(SCRIPT), *options.split(), *quick.split()]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [entry] = json.loads((tmp_path / "renders" / "results.json").read_text())["results"]
    assert entry["status"] == "ok" and entry["request"]["model"] == "models/mine"
    assert (tmp_path / "renders" / "000_a_person_walks.npz").is_file()

    python.unlink()
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 2 and "no program .venv/bin/python" in done.stderr


def test_only_what_the_same_settings_made_is_kept_and_other_lists_stay(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend_python: str
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(REPO))
    out = tmp_path / "out"

    def run(jobs: list[dict], *more: str) -> tuple[int, dict[str, str]]:
        path = write(tmp_path / "jobs.json", json.dumps(jobs))
        options = [
            "--jobs", path, "--out", out, "--model", "fake", "--seconds", "0.5", "--fps", "4",
            "--format", "png", "--width", "32", "--height", "32", "--skip-existing",
            "--backend-command", f'"{backend_python}" "{FAKE_SERVER}"', *more,
        ]  # fmt: skip
        code = script.main(list(map(str, options)))
        found = json.loads((out / "results.json").read_text())
        assert found["succeeded"] == len(found["results"])
        return code, {entry["name"]: entry["status"] for entry in found["results"]}

    one = [{"prompt": "eins", "name": "läuft"}]
    assert run(one) == (0, {"läuft": "ok"})
    assert run(one) == (0, {"läuft": "kept"})
    assert run(one, "--width", "48")[1] == {"läuft": "ok"}
    assert run(one, "--width", "48", "--engine", "cycles", "--render-samples", "1")[1] == {
        "läuft": "ok"
    }
    assert run([{"prompt": "two", "name": "b"}]) == (0, {"b": "ok", "läuft": "ok"})
    assert (out / "läuft.npz").is_file()


def test_two_runs_at_once_are_refused_and_twins_are_told(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from backend.store.folder_lock import folder_lock

    twins = [{"prompt": "x", "seed": 3}, {"prompt": "x", "seed": 3}]
    path = write(tmp_path / "jobs.json", json.dumps(twins))
    with folder_lock(tmp_path / "out"):
        assert script.main(["--jobs", str(path), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert "Another run writes" in said
    assert "001_x will be the same motion as 000_x" in said


def test_yaml_is_read_by_the_backends_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend_python: str
) -> None:
    from backend.batch import yaml_elsewhere
    from backend.batch.job_file import read_jobs
    from backend.errors import FormatError, InvalidRequest

    monkeypatch.setattr(yaml_elsewhere, "find_spec", lambda name: None)
    path = write(tmp_path / "jobs.yaml", "- {prompt: walk, seed: 4}\n")
    with yaml_elsewhere.readable(path, backend_python) as listed:
        assert listed is not None and listed.suffix == ".json"
        assert read_jobs(None, listed, {})[0].request == {"prompt": "walk", "seed": 4}
    write(path, "- {prompt: [")
    for python, error in ((backend_python, FormatError), ("no-such-python", InvalidRequest)):
        with pytest.raises(error), yaml_elsewhere.readable(path, python):
            pass


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_sigterm_leaves_no_half_made_video(tmp_path: Path, backend_python: str) -> None:
    prompts = write(tmp_path / "p.txt", "walk\n")
    command = [
        sys.executable, str(SCRIPT), "--prompts", str(prompts), "--out", str(tmp_path / "out"),
        "--model", "fake", "--seconds", "10", "--width", "32", "--height", "32",
        "--backend-command", f'"{backend_python}" "{FAKE_SERVER}"',
    ]  # fmt: skip
    running = subprocess.Popen(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(REPO)}, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert running.stderr is not None
    for line in running.stderr:
        if "rendering 1/" in line:
            break
    running.terminate()
    running.communicate(timeout=200)
    assert running.returncode == 143
    assert sorted(p.suffix for p in (tmp_path / "out").iterdir()) == [".blend", ".npz"]

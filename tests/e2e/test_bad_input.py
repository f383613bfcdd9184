"""Bad input: one clear error, what to do about it, no traceback, and nothing written or lost."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Kinetype

Breaker = Callable[[str, Callable[[bytes], Any]], Path]


def assert_clear(done: Any, code: int, *words: str) -> None:
    """The exit code, an error with these words, a hint, no traceback."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "error: " in done.stderr
    assert "hint: " in done.stderr
    for word in words:
        assert word.lower() in done.stderr.lower(), done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("",), ["prompt is empty"]),
        (("   \n\t",), ["prompt is empty"]),
        (("walk " * 2000,), ["9999 characters", "500"]),
        (("walk", "--seconds", "0"), ["duration is 0"]),
        (("walk", "--seconds", "-3"), ["duration is -3"]),
        (("walk", "--seconds", "3600"), ["duration is 3600", "60"]),
        (("walk", "--seconds", "nan"), ["duration", "number"]),
        (("walk", "--seconds", "inf"), ["duration", "number"]),
        (("walk", "--samples", "0"), ["number of samples is 0"]),
        (("walk", "--samples", "1000"), ["number of samples"]),
        (("walk", "--seed", "-1"), ["seed is -1"]),
        (("walk", "--steps", "0"), ["number of steps is 0"]),
        (("walk", "--guidance-scale", "-2"), ["guidance scale is -2"]),
        (("walk", "--sampler", "magic"), ["magic", "ddim"]),
        (("walk", "--model", "nobody"), ["nobody", "starter"]),
        (("walk", "--model", ""), ["no model"]),
        (("walk", "--out", "walk.obj"), ["walk.obj", ".npz"]),
        (("walk", "--out", "walk"), ["suffix", ".npz"]),
        (("walk", "--out", "a.npz"), ["twice"]),
    ],
)
def test_bad_requests(
    kinetype: Kinetype, tmp_path: Path, arguments: tuple[str, ...], words: list[str]
) -> None:
    assert_clear(kinetype("generate", *arguments, "--out", "a.npz"), 2, *words)
    assert list(tmp_path.iterdir()) == []


def test_values_that_are_no_numbers(kinetype: Kinetype, tmp_path: Path) -> None:
    done = kinetype("generate", "walk", "--seconds", "soon", "--out", "a.npz")
    assert done.returncode == 2
    assert "soon" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["/proc/a.npz", "folder.npz", "file/a.npz"])
def test_outputs_that_cannot_be_written(
    kinetype: Kinetype, tiny_model: Path, tmp_path: Path, target: str
) -> None:
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "file").write_text("mine")
    done = kinetype("generate", "walk", "--model", tiny_model, "--out", "b.npz", "--out", target)
    assert_clear(done, 1, target.split("/")[0] or "/proc")
    assert "sampling" not in done.stderr, "this is known before anything is generated"
    assert not (tmp_path / "b.npz").exists()
    assert (tmp_path / "file").read_text() == "mine"


_SMALL_FILES_ONLY = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
from backend.cli.main import main
sys.exit(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
def test_a_full_disk_keeps_the_other_outputs(
    environment: dict[str, str], tiny_model: Path, tmp_path: Path
) -> None:
    """No check before can see it. The npy fits; the npz does not, and leaves the old file."""
    (tmp_path / "a.npz").write_text("mine")
    command = [sys.executable, "-c", _SMALL_FILES_ONLY, "generate", "walk", "--seconds", "1"]
    command += ["--model", str(tiny_model), "--out", "a.npz", "--out", "a.npy"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 1
    assert "error: Cannot write a.npz" in done.stderr
    assert "space" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.split() == ["a.npy"]
    assert (tmp_path / "a.npz").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "a.npz"]


def test_a_model_folder_without_a_model(kinetype_here: Kinetype, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = kinetype_here("generate", "walk", "--model", tmp_path / "empty", "--out", "a.npz")
    assert_clear(done, 1, "config.json")


def _truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _garbage(content: bytes) -> bytes:
    return b"\x80\x04" + content[2:][::-1]


def _missing(content: bytes) -> None:
    return None


@pytest.mark.parametrize("damage", [_truncated, _garbage, _missing])
@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "stats.safetensors"])
def test_damaged_model_files(
    kinetype_here: Kinetype,
    broken_model: Breaker,
    tmp_path: Path,
    name: str,
    damage: Callable[[bytes], Any],
) -> None:
    folder = broken_model(name, damage)
    assert_clear(kinetype_here("generate", "walk", "--model", folder, "--out", "a.npz"), 1, name)
    assert not (tmp_path / "a.npz").exists()


def test_statistics_of_the_wrong_shape(
    kinetype_here: Kinetype, broken_model: Breaker, tmp_path: Path
) -> None:
    from safetensors.torch import save
    from torch import ones, zeros

    folder = broken_model(
        "stats.safetensors", lambda content: save({"mean": zeros(263), "std": ones(263)})
    )
    done = kinetype_here("generate", "walk", "--model", folder, "--out", "a.npz")
    assert_clear(done, 1, "stats.safetensors", "263", "205")


def test_an_unknown_key_in_the_configuration(
    kinetype_here: Kinetype, broken_model: Breaker
) -> None:
    def add_key(content: bytes) -> bytes:
        return json.dumps({**json.loads(content), "colour": "red"}).encode()

    folder = broken_model("config.json", add_key)
    done = kinetype_here("generate", "walk", "--model", folder, "--out", "a.npz")
    assert_clear(done, 1, "colour")


def test_a_duration_that_the_model_cannot_make(
    kinetype_here: Kinetype, tiny_model: Path, tmp_path: Path
) -> None:
    done = kinetype_here(
        "generate", "walk", "--model", tiny_model, "--seconds", "0.6", "--out", "a.npz"
    )
    assert_clear(done, 2, "0.6 seconds")


def test_a_device_that_is_not_there(kinetype_here: Kinetype, tiny_model: Path) -> None:
    done = kinetype_here(
        "generate", "walk", "--model", tiny_model, "--device", "cuda:99", "--out", "a.npz"
    )
    assert_clear(done, 2, "cuda:99")


@pytest.mark.parametrize("program", ["/nonexistent/blender", "/bin/true"])
def test_no_blender_is_said_before_generating(
    kinetype: Kinetype, tiny_model: Path, tmp_path: Path, program: str
) -> None:
    done = kinetype(
        *("generate", "walk", "--model", tiny_model, "--out", "a.blend"), KINETYPE_BLENDER=program
    )
    assert_clear(done, 1, program, "blender")
    assert "sampling" not in done.stderr


def test_debug_shows_where_it_happened(kinetype: Kinetype) -> None:
    done = kinetype("generate", "", "--out", "a.npz", "--debug")
    assert done.returncode == 2
    assert "Traceback" in done.stderr

"""Finding a Blender and reading its answer; the Blenders here are small scripts."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from backend.batch import blender_process
from backend.cli import blender
from backend.errors import MissingDependency, OutputError
from backend.wire.messages import Motion

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses a script as a program")

Program = Callable[..., Path]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """``program(code, version)``: a "blender" that runs Python code; it is the one that is used."""

    def make(code: str = "", version: str = "4.2.1") -> Path:
        path = tmp_path / "blender"
        path.write_text(
            f"#!{sys.executable}\nimport json, os, sys\n"
            f"if '--version' in sys.argv: print('Blender {version}'); sys.exit()\n{code}\n"
        )
        path.chmod(0o755)
        monkeypatch.setenv(blender_process.PROGRAM_VARIABLE, str(path))
        return path

    return make


@pytest.fixture
def motion(clip: np.ndarray) -> Motion:
    return Motion(clip)


def emit(event: str, **values: object) -> str:
    """Code that prints one event."""
    return f"print({json.dumps({'event': event, **values})!r})\n"


def test_a_named_program_comes_first(program: Program) -> None:
    path = program()
    found = blender.find()
    assert found.command[0] == str(path)
    assert found.version == "4.2.1"
    assert "--background" in found.command


def test_a_named_program_may_be_a_relative_path(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is started with another working folder."""
    path = program()
    monkeypatch.chdir(path.parent)
    monkeypatch.setenv(blender_process.PROGRAM_VARIABLE, f"./{path.name}")
    assert blender.find().command[0] == str(path)


@pytest.mark.parametrize("version", ["2.79", "3.6.11", "4.1.1"])
def test_an_old_blender_is_refused(program: Program, version: str) -> None:
    program(version=version)
    with pytest.raises(MissingDependency, match=f"Blender {version}") as caught:
        blender.find()
    assert "4.2" in caught.value.hint


def test_nothing_found_names_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(blender_process.PROGRAM_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(blender_process, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency) as caught:
        blender.find()
    assert "pip install bpy" in caught.value.hint or "install Blender" in caught.value.hint


def test_the_motion_and_the_outputs_arrive(
    program: Program, motion: Motion, tmp_path: Path
) -> None:
    program(
        "words = sys.argv[sys.argv.index('--') + 1:]\n"
        "import numpy\n"
        "frames = len(numpy.load(words[words.index('--motion') + 1])['motion_135'])\n"
        "outs = [words[i + 1] for i, word in enumerate(words) if word == '--out']\n"
        "for out in outs: open(out, 'w').write(str(frames))\n"
        "print('Blender chatter'); print('Fra:1 Mem:2M')\n"
        + emit("progress", stage="rendering", step=1, total=2)
        + emit("done", files=[])
    )
    paths = (tmp_path / "a.blend", tmp_path / "a.mp4")
    blender.export(motion, paths, quiet=True)
    assert [path.read_text() for path in paths] == [str(len(motion.data))] * 2


def test_several_files_of_one_kind_take_a_run_each(
    program: Program, motion: Motion, tmp_path: Path
) -> None:
    program(
        "given = [w for word, w in zip(sys.argv, sys.argv[1:]) if word == '--out']\n"
        "for path in given: open(path, 'w').write(str(len(given)))\n" + emit("done", files=[])
    )
    paths = [tmp_path / name for name in ("a.blend", "b.blend", "a.mp4", "c.BLEND")]
    blender.export(motion, paths, quiet=True)
    assert [path.read_text() for path in paths] == ["2", "1", "2", "1"]


def test_warnings_are_passed_on(
    program: Program, motion: Motion, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program(emit("warning", message="No video encoder.") + emit("done", files=[]))
    blender.export(motion, [tmp_path / "a.mp4"], quiet=True)
    assert "warning: No video encoder." in capsys.readouterr().err


def test_errors_keep_class_message_and_hint(
    program: Program, motion: Motion, tmp_path: Path
) -> None:
    error = emit("error", code="output", message="No space.", hint="Free some.", detail="")
    program(error + "sys.exit(1)")
    with pytest.raises(OutputError, match=r"a\.blend: No space\.") as caught:
        blender.export(motion, [tmp_path / "a.blend"], quiet=True)
    assert caught.value.hint == "Free some."


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("sys.stderr.write('something broke\\n'); sys.exit(3)", ["exit code 3", "something broke"]),
        ("os.kill(os.getpid(), 6)", ["signal 6"]),
        ("sys.exit(0)", ["exit code 0"]),
        ('sys.stderr.write("Couldn\'t open libEGL.so.1\\n"); os.kill(os.getpid(), 6)', ["libEGL"]),
        ("print('{\"event\": broken')\nsys.exit(1)", ["exit code 1"]),
    ],
)
def test_a_crash_is_explained(
    program: Program, motion: Motion, tmp_path: Path, code: str, words: list[str]
) -> None:
    program(code)
    with pytest.raises(OutputError) as caught:
        blender.export(motion, [tmp_path / "a.mp4"], quiet=True)
    for word in words:
        assert word in caught.value.message
    assert caught.value.hint

"""The managed environment: made in the background, never half, never over someone's files."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("bpy")

from blender_addon import environment, install_plan
from blender_addon.backend_access import (
    Cancelled,
    InternalError,
    MissingDependency,
    OutputError,
)
from blender_addon.install_plan import Plan, Step
from blender_addon.installation import Installation

PATIENCE = 120.0


def make_venv(folder: Path) -> Step:
    return Step("Creating", (sys.executable, "-m", "venv", "--without-pip", str(folder)))


def python(title: str, code: str) -> Step:
    return Step(title, (sys.executable, "-c", code))


def run(tmp_path: Path, *steps: Step) -> Installation:
    """A finished installation of these steps into ``tmp_path/environment``."""
    found = Installation(Plan(tmp_path / "environment", steps, tmp_path / "logs" / "install.log"))
    found.start()
    assert found.join(PATIENCE)
    assert found.finished
    return found


def test_a_whole_installation_is_ready_and_can_be_removed(tmp_path: Path) -> None:
    folder = tmp_path / "environment"
    done = run(tmp_path, make_venv(folder), python("Talking", "print('hello from pip')"))
    assert done.error is None and done.fraction == 1.0
    assert environment.is_ready(folder)
    assert "hello from pip" in (tmp_path / "logs" / "install.log").read_text()
    assert environment.describe(folder) == "The backend is installed"
    environment.remove(folder)
    assert not folder.exists()
    environment.remove(folder)  # nothing there: nothing to do


def test_a_failed_step_leaves_it_unready_but_repeatable(tmp_path: Path) -> None:
    folder = tmp_path / "environment"
    done = run(
        tmp_path, make_venv(folder), python("Failing", "print('no wheel'); raise SystemExit(3)")
    )
    assert isinstance(done.error, MissingDependency)
    assert "exit code 3" in done.error.message and done.error.detail == "no wheel"
    assert not environment.is_ready(folder)
    assert environment.is_ours(folder)
    assert environment.describe(folder) == "The installation is not complete"
    again = run(tmp_path, make_venv(folder))
    assert again.error is None and environment.is_ready(folder)


def test_a_failure_after_success_is_not_taken_for_ready(tmp_path: Path) -> None:
    folder = tmp_path / "environment"
    assert run(tmp_path, make_venv(folder)).error is None
    assert run(tmp_path, python("Failing", "raise SystemExit(1)")).error is not None
    assert not environment.is_ready(folder)


def test_an_installation_of_another_version_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "environment"
    assert run(tmp_path, make_venv(folder)).error is None
    for text in ('{"version": "0.0.1"}', "[]", "not json"):
        (folder / environment.READY_FILE).write_text(text)
        assert environment.is_ready(folder)
        assert "install it again" in environment.describe(folder)


def test_two_blenders_do_not_install_into_one_folder_at_once(tmp_path: Path) -> None:
    folder, go = tmp_path / "environment", tmp_path / "go"
    waits = f"import pathlib, time\nwhile not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)"
    plan = Plan(folder, (make_venv(folder), python("Waiting", waits)), tmp_path / "first.log")
    first = Installation(plan)
    first.start()
    deadline = time.monotonic() + PATIENCE
    while first.title != "Waiting":
        assert time.monotonic() < deadline and not first.finished, first.error
        time.sleep(0.01)
    second = run(tmp_path, python("Talking", "print('hello')"))
    assert isinstance(second.error, OutputError) and "Another Blender" in second.error.message
    assert not (tmp_path / "logs" / "install.log").exists()
    go.touch()
    assert first.join(PATIENCE) and first.error is None
    assert environment.is_ready(folder)
    assert run(tmp_path, python("Talking", "print('hello')")).error is None
    environment.remove(folder)
    assert not folder.exists()


def test_a_bug_ends_the_installation_with_a_word(tmp_path: Path) -> None:
    done = run(tmp_path, Step("Odd", (sys.executable, "-c", "print(1)\0")))
    assert isinstance(done.error, InternalError) and "null" in done.error.message


def test_cancel_ends_the_command_and_its_children(tmp_path: Path) -> None:
    marker = tmp_path / "alive"
    grandchild = (
        f"import time, pathlib\nwhile True: pathlib.Path({str(marker)!r}).touch(); time.sleep(0.05)"
    )
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grandchild!r}])"
    folder = tmp_path / "environment"
    running = Installation(Plan(folder, (python("Waiting", code),), tmp_path / "install.log"))
    running.start()
    deadline = time.monotonic() + PATIENCE
    while not marker.exists():
        assert time.monotonic() < deadline and not running.finished
        time.sleep(0.01)
    running.cancel()
    assert running.join(PATIENCE)
    assert isinstance(running.error, Cancelled)
    assert not environment.is_ready(folder)
    marker.unlink()
    time.sleep(0.3)
    assert not marker.exists(), "a child of the command is still running"


def test_cancel_before_the_first_command(tmp_path: Path) -> None:
    running = Installation(
        Plan(tmp_path / "environment", (python("Never", "raise SystemExit(9)"),), tmp_path / "log")
    )
    running.cancel()
    running.start()
    assert running.join(PATIENCE)
    assert isinstance(running.error, Cancelled)


def test_progress_follows_pips_raw_progress(tmp_path: Path) -> None:
    seen: list[float] = []
    code = (
        "import time\n"
        "print('Collecting torch', flush=True)\n"
        "for n in range(0, 101, 25): print(f'Progress {n} of 100', flush=True); time.sleep(0.1)\n"
        "time.sleep(0.2)"
    )
    running = Installation(
        Plan(tmp_path / "environment", (python("A", code), python("B", "pass")), tmp_path / "log")
    )
    running.start()
    while not running.finished:
        seen.append(running.fraction)
        time.sleep(0.01)
    assert running.error is None
    assert seen == sorted(seen)
    assert {0.125, 0.25, 0.375} & set(seen)
    assert running.fraction == 1.0


@pytest.mark.parametrize("action", ["install", "remove"])
def test_a_folder_of_someone_else_is_left_alone(tmp_path: Path, action: str) -> None:
    folder = tmp_path / "environment"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    if action == "install":
        done = run(tmp_path, python("Never", "raise SystemExit(9)"))
        assert isinstance(done.error, OutputError)
        assert "not made by Kinetype" in done.error.message
    else:
        with pytest.raises(OutputError, match="not made by Kinetype"):
            environment.remove(folder)
    assert (folder / "thesis.txt").read_text() == "years of work"
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]


def test_a_link_to_a_folder_is_never_followed(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (real / environment.OWNER_FILE).write_text("x")
    (real / "data").write_text("x")
    link = tmp_path / "environment"
    try:
        link.symlink_to(real, target_is_directory=True)
    except OSError:
        pytest.skip("this system does not allow symbolic links")
    with pytest.raises(OutputError):
        environment.remove(link)
    assert isinstance(run(tmp_path, python("Never", "pass")).error, OutputError)
    assert (real / "data").exists()


def test_links_inside_are_removed_without_what_they_point_to(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "keep").write_text("x")
    folder = tmp_path / "environment"
    folder.mkdir()
    (folder / environment.OWNER_FILE).write_text("x")
    try:
        (folder / "link").symlink_to(outside, target_is_directory=True)
    except OSError:
        pytest.skip("this system does not allow symbolic links")
    environment.remove(folder)
    assert not folder.exists() and (outside / "keep").exists()


def test_a_python_that_is_not_there(tmp_path: Path) -> None:
    done = run(tmp_path, Step("Creating", (str(tmp_path / "no-python"), "-m", "venv", "x")))
    assert isinstance(done.error, MissingDependency)
    assert "no-python" in done.error.message and "Python" in done.error.hint


def test_temporary_files_lie_inside_and_go_with_a_cancel(tmp_path: Path) -> None:
    folder = tmp_path / "environment"
    unpack = (
        "import os, pathlib, tempfile, time\n"
        "pathlib.Path(tempfile.mkdtemp(), 'wheel').write_bytes(bytes(1000))\n"
        "pathlib.Path(os.environ['PIP_CACHE_DIR'], 'fetched').write_text('whole')\n"
        "print('unpacked', flush=True); time.sleep(600)"
    )
    running = Installation(Plan(folder, (python("Unpacking", unpack),), tmp_path / "install.log"))
    running.start()
    deadline = time.monotonic() + PATIENCE
    while running.detail != "unpacked":
        assert time.monotonic() < deadline and not running.finished, running.error
        time.sleep(0.01)
    assert list(folder.glob("tmp/*/wheel"))
    running.cancel()
    assert running.join(PATIENCE) and isinstance(running.error, Cancelled)
    assert not (folder / "tmp").exists()
    assert (folder / "cache" / "fetched").read_text() == "whole", "the next try goes on with it"
    seen = "import os, pathlib; print(*pathlib.Path(os.environ['PIP_CACHE_DIR']).iterdir())"
    done = run(tmp_path, make_venv(folder), python("Going on", seen))
    assert done.error is None and "fetched" in (tmp_path / "logs" / "install.log").read_text()
    assert not (folder / "cache").exists() and not (folder / "tmp").exists()


def test_another_python_or_build_replaces_the_environment(tmp_path: Path) -> None:
    folder = tmp_path / "environment"

    def install(**made_from: str) -> None:
        plan = Plan(folder, (make_venv(folder),), tmp_path / "log", made_from=made_from)
        done = Installation(plan)
        done.start()
        assert done.join(PATIENCE) and done.error is None

    install(python="a", build="CUDA")
    (folder / "old").write_text("x")
    install(python="a", build="CUDA")
    assert (folder / "old").exists(), "the same again goes on with what is there"
    install(python="a", build="CPU")
    assert not (folder / "old").exists() and environment.is_ready(folder)
    assert environment.made_from(folder) == {"python": "a", "build": "CPU"}
    (folder / "old").write_text("x")
    install(python="b", build="CPU")
    assert not (folder / "old").exists()


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("The virtual environment was not created successfully because ensurepip is not available",
         "python3-venv"),
        ("OSError: [WinError 206] The filename or extension is too long", "LongPathsEnabled"),
        ("ERROR: No matching distribution found for torch==2.13.0", "another build"),
        ("WARNING: Retrying after connection broken by NewConnectionError", "cannot be reached"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("it is a build for graphics cards (12.8), not the one for CPUs", "PyTorch index"),
        ("something else", "Read the log"),
    ],
)  # fmt: skip
def test_quirks_of_systems_are_told(tmp_path: Path, said: str, hint: str) -> None:
    code = f"print({said!r}); print('and a last line'); raise SystemExit(1)"
    error = run(tmp_path, python("Failing", code)).error
    assert isinstance(error, MissingDependency) and hint in error.hint
    assert said in error.detail


def test_a_python_that_is_too_old_is_named(tmp_path: Path) -> None:
    assert run(tmp_path, python("Checking", install_plan.CHECK_PYTHON)).error is None
    old = "import sys; sys.version_info = (3, 9, 1); " + install_plan.CHECK_PYTHON
    error = run(tmp_path, python("Checking Python", old)).error
    assert isinstance(error, MissingDependency)
    assert "Python 3.9, 3.11 or later is needed" in error.message


@pytest.fixture
def online(addon) -> Callable[[], None]:
    """Blender's online access, switched on for one test."""
    import bpy

    bpy.context.preferences.system.use_online_access = True
    if not bpy.app.online_access:
        pytest.skip("online access cannot be switched on here")
    yield
    bpy.context.preferences.system.use_online_access = False


def test_the_buttons_install_cancel_and_remove(
    addon, online, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import bpy

    from blender_addon import backend_settings, installing

    folder = tmp_path / "environment"
    slow = python("Waiting", "import time; time.sleep(600)")
    steps: list[Step] = [make_venv(folder), slow]
    monkeypatch.setattr(backend_settings, "environment_folder", lambda: folder)
    monkeypatch.setattr("blender_addon.operators.environment.environment_folder", lambda: folder)
    monkeypatch.setattr(
        install_plan, "make_plan", lambda *_, **__: Plan(folder, tuple(steps), tmp_path / "log")
    )
    assert bpy.ops.kinetype.install_environment() == {"FINISHED"}
    assert not bpy.ops.kinetype.install_environment.poll()
    assert not bpy.ops.kinetype.remove_environment.poll()
    assert addon.pump.tick() == addon.pump.INTERVAL
    assert bpy.ops.kinetype.cancel_install() == {"FINISHED"}
    assert addon.pump.wait(PATIENCE)
    assert "cancelled" in addon.board.message and addon.board.error is None
    steps.pop()
    assert bpy.ops.kinetype.install_environment() == {"FINISHED"}
    assert addon.pump.wait(PATIENCE)
    assert addon.board.message == "The backend is installed."
    assert backend_settings.environment_is_ready()
    assert not installing.running()
    assert bpy.ops.kinetype.remove_environment() == {"FINISHED"}
    assert not folder.exists()
    assert not bpy.ops.kinetype.remove_environment.poll()


def test_disabling_stops_an_installation(enabled_addon, addon, tmp_path: Path) -> None:
    import addon_utils

    from blender_addon import installing

    plan = Plan(
        tmp_path / "environment", (python("W", "import time; time.sleep(600)"),), tmp_path / "log"
    )
    running = installing.start(plan)
    addon_utils.disable("blender_addon")
    try:
        assert running.join(PATIENCE)
        assert isinstance(running.error, Cancelled)
        assert installing.current is None
    finally:
        addon_utils.enable("blender_addon", default_set=True)

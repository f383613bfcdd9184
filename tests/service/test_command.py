"""The command that the add-on builds starts the backend from wherever it lies."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from backend.wire.control import Ready
from backend.wire.messages import Failure, Request
from blender_addon import backend_access
from blender_addon.client import ProcessSession, command, default_command

from .conftest import REPO, collect, outcome


def test_the_checkout_serves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # what a host application may have set for its own Python
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    decoy = tmp_path / "backend"
    decoy.mkdir()
    (decoy / "__init__.py").write_text("raise SystemExit('the wrong backend')")
    session = ProcessSession(*default_command(threads=1, offline=True, cwd=tmp_path))
    try:
        session.start()
        events = collect(session, bool)
        assert isinstance(events[0], Ready) and events[0].version == backend_access.VERSION
        failure, _ = outcome(session, session.submit(Request("walk", model="no-such-model")))
        assert isinstance(failure, Failure) and failure.code == "model_not_found"
    finally:
        session.stop()


def test_the_installed_extension_serves(tmp_path: Path) -> None:
    """The zip's layout: the add-on's files at the root of a package, ``backend`` beside them."""
    package = tmp_path / "bl_ext" / "user_default" / "kinetype"
    ignore = shutil.ignore_patterns("__pycache__", "assets")
    shutil.copytree(REPO / "blender_addon", package, ignore=ignore)
    shutil.copytree(REPO / "backend", package / "backend", ignore=ignore)
    for folder in (tmp_path / "bl_ext", tmp_path / "bl_ext" / "user_default"):
        (folder / "__init__.py").touch()
    script = tmp_path / "host.py"
    script.write_text(
        "import sys, time\n"
        "from bl_ext.user_default.kinetype import backend_access\n"
        "from bl_ext.user_default.kinetype.client import ProcessSession, default_command\n"
        "assert 'backend' not in sys.modules and 'torch' not in sys.modules\n"
        "command = default_command(offline=True)\n"
        "session = ProcessSession(*command)\n"
        "session.start()\n"
        "events = []\n"
        "while not events:\n"
        "    events = session.events(); time.sleep(0.01)\n"
        "session.stop()\n"
        "print(command.env['PYTHONPATH'], type(events[0]).__name__, session.log_tail())\n"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env=env, timeout=120
    )
    assert done.stdout.startswith(f"{package} Ready"), done.stdout + done.stderr


def test_an_installed_distribution_does_not_leak_into_another_python(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed = tmp_path / "site-packages" / "kinetype"
    monkeypatch.setattr(command, "package_folder", lambda: installed)
    built = default_command("/opt/env/bin/python", device="cuda:1", threads=4)
    assert built.command == [
        "/opt/env/bin/python", "-m", "kinetype", "serve", "--device", "cuda:1", "--threads", "4",
    ]  # fmt: skip
    assert built.env["PYTHONPATH"] is None


def test_a_relative_interpreter_is_meant_from_the_callers_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    relative = Path(".venv") / "bin" / "python"
    assert default_command(relative).command[0] == str(tmp_path / relative)
    relative.parent.mkdir(parents=True)
    relative.symlink_to(sys.executable)  # resolving it would leave the environment
    assert default_command(str(relative)).command[0] == str(tmp_path / relative)
    assert default_command("python3").command[0] == "python3"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_command("~/env/bin/python").command[0] == str(tmp_path / "env/bin/python")


def test_importing_the_client_loads_neither_bpy_nor_torch() -> None:
    script = (
        "import sys, blender_addon.client, blender_addon.backend_access as access\n"
        "access.load_service()\n"
        "print(sorted({'bpy', 'torch', 'transformers', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=REPO, timeout=120
    )
    assert done.stdout.strip() == "[]", done.stderr

"""Blender for the tests: an isolated user folder, an empty file, the add-on enabled, a backend.

Nothing here needs torch: the backend of these tests is the real service with made-up pipelines.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
FAKE_SERVER = REPO / "tests" / "service" / "fake_server.py"
SWEEP = "import shutil, sys; sys.stdin.read(); shutil.rmtree(sys.argv[1], ignore_errors=True)"
PATIENCE = 120.0
"""Only a hang reaches it; it is long because test machines are busy."""

if importlib.util.find_spec("bpy") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    # before the first import of bpy: the tests must not see or change the user's own settings
    _user = tempfile.mkdtemp(prefix="kinetype-blender-")
    os.environ["BLENDER_USER_RESOURCES"] = _user
    # Blender writes into it until the process is gone, so another one removes it then
    _sweeper = subprocess.Popen([sys.executable, "-c", SWEEP, _user], stdin=subprocess.PIPE)


_status = 0


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    global _status
    _status = int(exitstatus)


def pytest_unconfigure() -> None:
    """The bpy 4.2 module crashes at exit once a property with a Python callback was registered."""
    bpy = sys.modules.get("bpy")
    if bpy is not None and bpy.app.version < (4, 3, 0):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_status)


@pytest.fixture(scope="session")
def backend_python() -> str:
    """A Python that can run the backend: this one, unless Blender's own cannot."""
    return os.environ.get("KINETYPE_TEST_BACKEND_PYTHON") or sys.executable


@pytest.fixture(scope="session")
def enabled_addon() -> Iterator[ModuleType]:
    """The add-on, enabled from the checkout as Blender does it."""
    import addon_utils

    module = addon_utils.enable("blender_addon", default_set=True)
    assert module is not None, "the add-on cannot be enabled"
    yield module
    # a class that is still registered when Blender exits crashes 4.2 and hangs 4.5
    addon_utils.disable("blender_addon", default_set=True)


@pytest.fixture
def empty_file() -> None:
    """A new file with one empty scene."""
    import bpy

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)


class Addon:
    """The enabled add-on. Blender data is looked up anew each time: a held pointer may dangle."""

    @property
    def board(self) -> Any:
        from blender_addon import jobs

        return jobs.board

    @property
    def pump(self) -> ModuleType:
        from blender_addon import pump

        return pump

    @property
    def preferences(self) -> Any:
        import bpy

        from blender_addon.backend_settings import preferences_of

        return preferences_of(bpy.context)

    def settings(self) -> Any:
        import bpy

        from blender_addon.properties import settings_of

        return settings_of(bpy.context.scene)


@pytest.fixture
def addon(enabled_addon: ModuleType, empty_file: None) -> Iterator[Addon]:
    """Board, settings and preferences of the enabled add-on; the backend is stopped afterwards."""
    from blender_addon import registration

    found = Addon()
    yield found
    registration.shut_down()
    for name in (
        *("backend", "command", "device", "python_path", "log_directory", "torch_build"),
        *("package_index", "torch_index", "proxy", "wheels"),
    ):
        found.preferences.property_unset(name)


@pytest.fixture
def until(addon: Addon) -> Callable[[Callable[[], bool]], None]:
    """``until(condition)`` calls the pump, as Blender's timer does, until the condition holds."""

    def call_pump(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        addon.pump.tick()
        while not condition():
            assert time.monotonic() < deadline, f"still waiting; {addon.board}"
            time.sleep(0.01)
            addon.pump.tick()

    return call_pump


@pytest.fixture
def fake_backend(
    addon: Addon, backend_python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """``fake_backend(model)`` lets the panel use the real service with a made-up pipeline."""
    monkeypatch.setenv("PYTHONPATH", str(REPO))
    addon.preferences.backend = "COMMAND"
    addon.preferences.command = f'"{backend_python}" "{FAKE_SERVER}"'
    addon.preferences.log_directory = str(tmp_path / "logs")

    def choose(model: str = "fake", **values: Any) -> None:
        settings = addon.settings()
        settings.custom_model = model
        # a child that cleans up imports scipy first, which most tests need not wait for
        settings.cleanup = False
        for name, value in values.items():
            setattr(settings, name, value)

    choose()
    return choose


@pytest.fixture
def director(addon: Addon, fake_backend: Callable[..., None]) -> Addon:
    """A backend that stands still, or goes along a path; the feet are left alone."""
    fake_backend("director", seconds=3.0, feet=0.0, lock_seed=True)
    import bpy

    bpy.context.scene.render.fps = 30
    return addon

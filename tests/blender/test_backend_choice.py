"""Which backend the preferences choose, and what happens where that is none."""

from __future__ import annotations

from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy")

from blender_addon import backend_settings, folders  # noqa: E402

from .pressing import UNTIL, generate  # noqa: E402


def test_a_missing_program_points_to_the_preferences(addon, fake_backend) -> None:
    addon.preferences.command = "/no/such/kinetype serve"
    with pytest.raises(RuntimeError, match="no/such/kinetype"):
        bpy.ops.kinetype.generate(wait=True, timeout=120.0)
    assert "kinetype.open_preferences" in [fix.operator for fix in addon.board.error.fixes]


def test_changed_preferences_reach_the_next_generation(addon, fake_backend) -> None:
    good = addon.preferences.command
    addon.preferences.command = "/no/such/kinetype serve"
    with pytest.raises(RuntimeError):
        bpy.ops.kinetype.generate(wait=True, timeout=120.0)
    addon.preferences.command = good
    generate()


@pytest.mark.parametrize("command", ["", 'kinetype "serve'])
def test_an_unreadable_command_is_refused(addon, fake_backend, command: str) -> None:
    addon.preferences.command = command
    with pytest.raises(RuntimeError, match="command"):
        bpy.ops.kinetype.generate()


def test_a_tilde_is_the_home_folder(addon, fake_backend, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    addon.preferences.command = "~/kinetype serve ~/there"
    addon.preferences.log_directory = "~/logs"
    settings = backend_settings.backend_settings(bpy.context)
    assert Path(settings.command[0]) == tmp_path / "kinetype"
    assert settings.command[1:] == ("serve", "~/there")
    assert settings.log.parent == tmp_path / "logs"


@pytest.mark.filterwarnings("ignore:.*blend relative")  # 4.5 and later know it themselves
def test_a_path_counts_from_no_file(addon, tmp_path) -> None:
    """The file browser gives paths relative to the open file; preferences are for all files."""
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"), check_existing=False)
    addon.preferences.log_directory, addon.preferences.python_path = "//logs", "//bin/python"
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert folders.log_folder(addon.preferences) == tmp_path / "logs"
    assert folders.base_python(addon.preferences) == tmp_path / "bin" / "python"


def test_a_backend_that_never_answers_is_left_at_once(
    addon, fake_backend, backend_python: str, until: UNTIL
) -> None:
    """An ssh to a host that is off: cancel, correct the command, generate."""
    good = addon.preferences.command
    addon.preferences.command = f'"{backend_python}" -c "import time; time.sleep(600)"'
    bpy.ops.kinetype.generate()
    until(lambda: getattr(addon.board.session._link, "_child", None) is not None)
    child = addon.board.session._link._child
    assert bpy.ops.kinetype.cancel() == {"FINISHED"}
    assert not addon.board.jobs and addon.board.session.state == "stopped"
    assert addon.board.error is None
    assert child.wait(60.0)
    addon.preferences.command = good
    generate()


def test_a_stuck_step_does_not_hold_up_another_backend(addon, fake_backend, until: UNTIL) -> None:
    fake_backend("stuck")
    bpy.ops.kinetype.generate()
    until(lambda: addon.board.session.state == "busy")
    bpy.ops.kinetype.cancel()
    assert addon.board.jobs, "it has not noticed"
    addon.preferences.command += " --unused"  # another backend than that one
    fake_backend("fake")
    generate()
    assert not addon.board.jobs


def test_the_managed_environment_must_be_installed_first(addon, fake_backend) -> None:
    addon.preferences.backend = "MANAGED"
    with pytest.raises(RuntimeError, match="not installed"):
        bpy.ops.kinetype.generate()
    # offline, as here, there is nothing to install from
    assert addon.board.error.fixes[0].operator == "kinetype.open_network_preferences"

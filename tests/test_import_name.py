"""The package under its two names: one set of modules, and other projects keep theirs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]

SAME = """
import {first}.errors, {second}.errors
import {second}.wire.limits, {first}.wire.limits
import {first}, {second}
from {second}.motion.io import atomic as b
from {first}.motion.io import atomic as a
assert a is b and {first} is {second}
assert {first}.errors.KinetypeError is {second}.errors.KinetypeError
assert {first}.wire.limits is {second}.wire.limits
import sys
twins = [n for n in sys.modules if n.startswith('kinetype.')]
assert twins and all(sys.modules['backend' + n[8:]] is sys.modules[n] for n in twins
                     if 'backend' + n[8:] in sys.modules)
spec = {first}.errors.__spec__
assert spec.name == {first}.errors.__name__, (spec.name, {first}.errors.__name__)
import importlib; importlib.reload({second}.errors)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like site-packages, where the package has the name that it is installed under."""
    folder = tmp_path_factory.mktemp("site-packages")
    (folder / "kinetype").symlink_to(REPO / "backend", target_is_directory=True)
    return folder


def run(code: str, cwd: Path, *path: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "PYTHONSAFEPATH": "1"}
    return subprocess.run(
        # -S: the checkout may be installed in this environment
        [sys.executable, "-S", "-c", code], cwd=cwd, env=env, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize(("first", "second"), [("kinetype", "backend"), ("backend", "kinetype")])
def test_both_names_give_the_same_modules(site: Path, first: str, second: str) -> None:
    done = run(SAME.format(first=first, second=second), REPO, REPO, site)
    assert done.returncode == 0, done.stderr


def test_a_checkout_alone_answers_to_both_names(tmp_path: Path) -> None:
    done = run(SAME.format(first="backend", second="kinetype"), tmp_path, REPO)
    assert done.returncode == 0, done.stderr


def test_installed_it_leaves_the_backend_of_others_alone(site: Path, tmp_path: Path) -> None:
    (tmp_path / "backend").mkdir()
    (tmp_path / "backend" / "__init__.py").write_text("theirs = True\n")
    code = (
        "import kinetype.wire.limits, backend\n"
        "assert backend.theirs and backend is not kinetype\n"
        "try:\n    import backend.wire\n"
        "except ModuleNotFoundError:\n    print('theirs')\n"
    )
    done = run(code, tmp_path, tmp_path, site)
    assert done.stdout.strip() == "theirs", done.stderr


def test_the_program_runs_in_a_project_with_a_backend_of_its_own(tmp_path: Path) -> None:
    """What pip installs from the checkout: the console script and ``python -m kinetype``."""
    (tmp_path / "backend").mkdir()
    (tmp_path / "backend" / "__init__.py").write_text("raise SystemExit('the wrong backend')\n")
    venv.create(tmp_path / "env", with_pip=False, system_site_packages=False)
    python = tmp_path / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout.strip()  # fmt: skip
    source = tmp_path / "source"  # building leaves a folder, and takes what an old one holds
    for name in ("backend", "blender_addon"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPO / name, source / name, ignore=ignore)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(REPO / name, source / name)
    wheel = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
         "--disable-pip-version-check", "--target", site, str(source)],
        capture_output=True, text=True, cwd=tmp_path, timeout=280,
    )  # fmt: skip
    assert wheel.returncode == 0, wheel.stderr
    installed = {path.name for path in Path(site).iterdir()}
    assert {"kinetype", "blender_addon"} <= installed and "backend" not in installed
    assert (Path(site) / "kinetype" / "assets" / "starter" / "config.json").is_file()
    done = subprocess.run(
        [python, "-m", "kinetype", "--version"],
        capture_output=True, text=True, cwd=tmp_path, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0 and "kinetype" in done.stdout.lower(), done.stderr

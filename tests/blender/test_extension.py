"""The package that people install: built, checked by Blender's tool, installed, used, removed."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
FAKE_SERVER = REPO / "tests" / "service" / "fake_server.py"
STARTER = REPO / "backend" / "assets" / "starter" / "model.safetensors"


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "build_extension", REPO / "scripts" / "build_extension.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def archive(builder: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return builder.build(REPO, tmp_path_factory.mktemp("dist"), need_starter=STARTER.is_file())


def run_blender(archive: Path, user: Path, *arguments: str) -> dict:
    """Install, generate and uninstall in a Blender that has nothing of this checkout."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment |= {"BLENDER_USER_RESOURCES": str(user), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(HERE / "extension_script.py"), str(archive), *arguments],
        cwd=user,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


def assert_worked(report: dict) -> None:
    """Every step of the script did what it should."""
    assert report["enabled"] == [True, True]
    assert report["heavy"] == []
    generated = report["generated"]
    assert generated["outcome"] == ["FINISHED"]
    assert generated["bones"] == 22
    # 22 quaternions and the root's location
    assert generated["curves"] == 22 * 4 + 3
    assert 48 <= generated["keys"] <= 49, "two seconds at 24 frames a second"
    assert generated["prompt"] == "a person walks forward"
    assert generated["seed"] == 3
    assert report["written"] == [], "nothing may be written into the extension's folder"
    assert report["left"] == []
    assert report["installed_after"] is False


def test_archive_holds_what_the_extension_needs(archive: Path) -> None:
    with zipfile.ZipFile(archive) as content:
        names = set(content.namelist())
        requirements = content.read("requirements.txt").decode()
    assert {"__init__.py", "blender_manifest.toml", "LICENSE", "README.md"} <= names
    assert {"backend/__init__.py", "backend/wire/messages.py", "panels/main.py"} <= names
    assert not [n for n in names if "__pycache__" in n or n.startswith(("tests/", "docs/", "."))]
    assert any(line.startswith("torch") for line in requirements.splitlines())
    if STARTER.is_file():
        assert "backend/assets/starter/model.safetensors" in names


def test_install_enable_generate_disable_uninstall(
    archive: Path, backend_python: str, tmp_path: Path
) -> None:
    report = run_blender(archive, tmp_path, backend_python, "fake", str(FAKE_SERVER))
    assert_worked(report)


@pytest.mark.skipif(not STARTER.is_file(), reason="the starter model is not trained yet")
def test_starter_model_through_the_managed_environment(
    archive: Path, backend_python: str, tmp_path: Path
) -> None:
    if os.name == "nt":
        pytest.skip("the stand-in for the environment's Python is a shell script")
    report = run_blender(archive, tmp_path, backend_python, "starter")
    assert_worked(report)
    assert report["generated"]["moves"] > 0.5, "walking for two seconds leads somewhere"


def copy_checkout(tmp_path: Path) -> Path:
    """The few files that the builder reads before it builds anything."""
    (tmp_path / "backend").mkdir()
    for name in ("blender_manifest.toml", "backend/__init__.py"):
        (tmp_path / name).write_bytes((REPO / name).read_bytes())
    return tmp_path


def test_versions_must_agree(builder: ModuleType, tmp_path: Path) -> None:
    root = copy_checkout(tmp_path)
    assert builder.check_version(root) == builder.package_version(REPO)
    init = root / "backend" / "__init__.py"
    init.write_text('__version__ = "99.0.0"\n', encoding="utf-8")
    with pytest.raises(builder.BuildError, match=r"99\.0\.0"):
        builder.check_version(root)


def test_the_tool_refuses_a_bad_manifest(builder: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text("", encoding="utf-8")
    text = (REPO / "blender_manifest.toml").read_text(encoding="utf-8")
    bad = text.replace('license = ["SPDX:GPL-3.0-or-later"]\n', "")
    assert bad != text
    (tmp_path / "blender_manifest.toml").write_text(bad, encoding="utf-8")
    with pytest.raises(builder.BuildError, match="license"):
        builder.run_cli("validate", tmp_path)


def test_a_missing_model_is_named(
    builder: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "STARTER", Path("backend/assets/not-there"))
    with pytest.raises(builder.BuildError, match=r"model\.safetensors"):
        builder.stage(REPO, tmp_path, need_starter=True)

"""Installs the built extension, generates through it, removes it; run in a Blender of its own.

Usage: ``python extension_script.py ZIP BACKEND_PYTHON MODEL [FAKE_SERVER]`` with
BLENDER_USER_RESOURCES set to an empty folder. Prints one JSON object as the last line.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import bpy  # isort: skip  (makes addon_utils importable)
import addon_utils

MODULE = "bl_ext.user_default.kinetype"
HEAVY = {"torch", "transformers"}


def fake_environment(folder: Path, python: str) -> None:
    """A managed environment whose Python is one that has everything already."""
    from bl_ext.user_default.kinetype import environment

    inner = environment.python_in(folder)
    inner.parent.mkdir(parents=True)
    inner.write_text(f'#!/bin/sh\nexec "{python}" "$@"\n', encoding="utf-8")
    inner.chmod(inner.stat().st_mode | stat.S_IXUSR)
    (folder / environment.OWNER_FILE).write_text("test", encoding="utf-8")
    (folder / environment.READY_FILE).write_text("{}", encoding="utf-8")


def choose_backend(python: str, model: str, fake_server: str | None) -> None:
    """Managed environment for the real model, own command for a made-up one."""
    from bl_ext.user_default.kinetype import folders

    chosen = bpy.context.preferences.addons[MODULE].preferences
    if fake_server is None:
        fake_environment(folders.environment_folder(), python)
        chosen.backend = "MANAGED"
    else:
        os.environ["PYTHONPATH"] = str(Path(folders.__file__).parent)
        chosen.backend = "COMMAND"
        chosen.command = f'"{python}" "{fake_server}"'
    bpy.context.scene.kinetype.custom_model = model


def generate() -> dict[str, object]:
    """One generation through the panel's operator, as a script would do it."""
    from bl_ext.user_default.kinetype.scene import compat

    settings = bpy.context.scene.kinetype
    settings.prompt, settings.seconds = "a person walks forward", 2.0
    settings.lock_seed, settings.seed = True, 3
    outcome = bpy.ops.kinetype.generate(wait=True, timeout=240.0)
    armature = settings.character
    action = armature.animation_data.action
    curves = compat.fcurves_of(action)
    return {
        "outcome": sorted(outcome),
        "armature": armature.name,
        "bones": len(armature.data.bones),
        "curves": len(curves),
        "keys": len(curves[0].keyframe_points),
        "prompt": action["kinetype_prompt"],
        "seed": action["kinetype_seed"],
        "moves": max(
            abs(p.co[1] - c.keyframe_points[0].co[1]) for c in curves[:3] for p in c.keyframe_points
        ),
    }


def main() -> None:
    """All steps in order."""
    archive, python, model, *rest = sys.argv[1:]
    report: dict[str, object] = {}
    bpy.ops.extensions.package_install_files(
        filepath=archive, repo="user_default", enable_on_install=True, overwrite=True
    )
    report["enabled"] = addon_utils.check(MODULE)
    report["heavy"] = sorted(HEAVY & set(sys.modules))
    folder = Path(sys.modules[MODULE].__file__).parent
    before = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    choose_backend(python, model, rest[0] if rest else None)
    report["generated"] = generate()
    after = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    report["written"] = [name for name in after if name not in before and "__pycache__" not in name]
    addon_utils.disable(MODULE, default_set=True)
    report["left"] = [name for name in dir(bpy.types) if name.startswith("KINETYPE_")]
    report["left"] += ["Scene.kinetype"] if hasattr(bpy.types.Scene, "kinetype") else []
    repos = bpy.context.preferences.extensions.repos
    index = next(i for i, repo in enumerate(repos) if repo.module == "user_default")
    bpy.ops.extensions.package_uninstall(repo_index=index, pkg_id="kinetype")
    report["installed_after"] = folder.exists()
    print(json.dumps(report), flush=True)
    if bpy.app.version < (4, 3, 0):
        # that bpy module crashes at exit once a property with a Python callback was registered
        os._exit(0)


if __name__ == "__main__":
    main()

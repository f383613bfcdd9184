"""Enabling adds exactly what disabling removes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

bpy = pytest.importorskip("bpy")

REPO = Path(__file__).resolve().parents[2]
HANDLERS = [
    name for name in dir(bpy.app.handlers) if isinstance(getattr(bpy.app.handlers, name), list)
]
TYPES_WITH_PROPERTIES = ("Scene", "Object", "WindowManager", "Action", "Armature", "PoseBone")
ENABLE = """
import json, os, sys, time
import bpy, addon_utils
started = time.perf_counter()
module = addon_utils.enable("blender_addon", default_set=True)
seconds = time.perf_counter() - started
import threading
print(json.dumps({
    "enabled": module is not None, "modules": sorted(sys.modules), "seconds": seconds,
    "threads": [t.name for t in threading.enumerate() if t.name.startswith("kinetype")],
}))
addon_utils.disable("blender_addon")
sys.stdout.flush()
if bpy.app.version < (4, 3, 0):  # that module crashes at exit after a property with a callback
    os._exit(0)
"""


def footprint() -> dict[str, object]:
    """Everything of an add-on that Blender can be asked about."""
    from blender_addon import pump

    return {
        "classes": sorted(name for name in dir(bpy.types) if "kinetype" in name.lower()),
        "operators": sorted(dir(bpy.ops.kinetype)),
        "properties": {
            name: sorted(getattr(bpy.types, name).bl_rna.properties.keys())
            for name in TYPES_WITH_PROPERTIES
        },
        "handlers": {
            name: [getattr(f, "__module__", "") for f in getattr(bpy.app.handlers, name)]
            for name in HANDLERS
        },
        "timer": bpy.app.timers.is_registered(pump.tick),
        "subclasses": sorted(
            cls.__name__
            for kind in (bpy.types.Operator, bpy.types.Panel, bpy.types.UIList)
            for cls in kind.__subclasses__()
            if cls.__name__.startswith("KINETYPE") and getattr(cls, "is_registered", False)
        ),
    }


def test_disabling_removes_everything_and_enabling_brings_it_back(
    enabled_addon: ModuleType, addon: SimpleNamespace
) -> None:
    import addon_utils

    enabled = footprint()
    assert enabled["classes"] and enabled["subclasses"]
    assert "kinetype" in enabled["properties"]["Scene"]
    # a timer that is running when the add-on is disabled must go too
    addon.pump.start()
    addon_utils.disable("blender_addon")
    try:
        disabled = footprint()
        assert disabled["classes"] == []
        assert disabled["operators"] == []
        assert disabled["subclasses"] == []
        assert disabled["timer"] is False
        assert "kinetype" not in disabled["properties"]["Scene"]
        modules = [module for names in disabled["handlers"].values() for module in names]
        assert not [module for module in modules if module.startswith("blender_addon")]
    finally:
        assert addon_utils.enable("blender_addon", default_set=True) is not None
    assert footprint() == enabled


def test_disabled_footprint_is_the_one_from_before(addon: SimpleNamespace) -> None:
    import addon_utils

    addon_utils.disable("blender_addon")
    before = footprint()
    addon_utils.enable("blender_addon", default_set=True)
    addon_utils.disable("blender_addon")
    after = footprint()
    addon_utils.enable("blender_addon", default_set=True)
    assert before == after


def test_enabling_loads_nothing_heavy_and_starts_nothing() -> None:
    code = f"import sys; sys.path.insert(0, {str(REPO)!r})\n{ENABLE}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout.strip().splitlines()[-1])
    assert report["enabled"]
    assert report["threads"] == []
    heavy = {"torch", "transformers", "scipy", "huggingface_hub", "safetensors"}
    assert not heavy & {name.split(".")[0] for name in report["modules"]}


def test_class_names_follow_blenders_convention(enabled_addon: ModuleType) -> None:
    from blender_addon.registration import CLASSES

    kinds = {bpy.types.Operator: "_OT_", bpy.types.Panel: "_PT_", bpy.types.UIList: "_UL_"}
    checked = 0
    for cls in CLASSES:
        for kind, infix in kinds.items():
            if issubclass(cls, kind):
                assert cls.__name__.startswith("KINETYPE" + infix), cls
                checked += 1
            if issubclass(cls, bpy.types.Operator):
                assert cls.bl_idname.startswith("kinetype."), cls
                assert cls.__doc__ and not cls.__doc__.strip().endswith("."), cls
    assert checked > 20

"""Motion files onto a character, and takes out of Blender."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from backend.motion.io import bvh, npz  # noqa: E402
from backend.motion.io.load import read_clip  # noqa: E402
from backend.motion.representations import motion135  # noqa: E402
from blender_addon.backend_access import Motion  # noqa: E402
from blender_addon.scene import armature as armatures  # noqa: E402
from blender_addon.scene import reading  # noqa: E402
from blender_addon.scene.character import create_character  # noqa: E402
from tests.blender import synthetic  # noqa: E402
from tests.motion.retarget import walking  # noqa: E402
from tests.motion.retarget.test_touching import reaching  # noqa: E402

pytestmark = pytest.mark.usefixtures("addon")
WALK = Motion(walking.walk(60).astype(np.float32), 30.0, synthetic.meta("a walk"))


@pytest.fixture
def character(addon) -> bpy.types.Object:
    rig = create_character(bpy.context)
    bpy.context.view_layer.objects.active = rig
    rig.select_set(True)
    bpy.context.scene.render.fps = 30
    addon.settings().feet = 0.0
    return rig


def performed(rig: bpy.types.Object) -> np.ndarray:
    return reading.read_performance(rig, bpy.context.scene).motion.data


@pytest.mark.parametrize("suffix", [".npz", ".bvh", ".npy"])
def test_a_file_becomes_a_take(suffix: str, character, tmp_path: Path) -> None:
    path = tmp_path / f"walk{suffix}"
    if suffix == ".npz":
        npz.write_motion(path, WALK)
    elif suffix == ".bvh":
        bvh.write_motion(path, WALK)
    else:
        np.save(path, WALK.data)
    assert bpy.ops.kinetype.import_motion(filepath=str(path), start_frame=11) == {"FINISHED"}
    assert reading.frames_of(character) == (11, 70)
    assert np.abs(performed(character) - WALK.data).max() < 1e-4
    action = character.animation_data.action
    assert action["kinetype_prompt"] == ("a walk" if suffix == ".npz" else "walk")


def test_joints_are_fitted_and_a_new_mannequin_is_made(addon, tmp_path: Path) -> None:
    joints = motion135.joints(WALK.data[:12].astype(np.float64))
    np.save(tmp_path / "joints.npy", joints.astype(np.float32))
    bpy.ops.kinetype.import_motion(filepath=str(tmp_path / "joints.npy"), fps=30.0)
    rig = addon.settings().character
    assert rig is not None and reading.frames_of(rig) is not None


def test_persons_of_a_video_are_chosen_and_what_was_assumed_is_told(
    character, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    points = [motion135.joints(WALK.data[:count].astype(np.float64)) for count in (20, 12)]
    motion = np.zeros((2, 22, 3, 20))
    for number, one in enumerate(points):
        motion[number, ..., : len(one)] = 1000.0 * one.transpose(1, 2, 0)
    content = {"motion": motion, "lengths": np.array([20, 12])}
    path = tmp_path / "results.npy"
    np.save(path, content, allow_pickle=True)  # type: ignore[arg-type]
    bpy.ops.kinetype.import_motion(filepath=str(path), fps=30.0, sample=1)
    assert reading.frames_of(character) == (1, 12)
    assert "millimetres" in capfd.readouterr().out  # Blender prints its reports
    bpy.ops.kinetype.import_motion(filepath=str(path), fps=30.0)
    assert reading.frames_of(character) == (1, 20)
    assert "2 motions" in capfd.readouterr().out


def test_hands_touch_what_they_touch_when_asked(addon, tmp_path: Path) -> None:
    rig = create_character(bpy.context)
    with armatures.edit_mode(bpy.context, rig):  # a body with longer arms
        bones = rig.data.edit_bones
        for side in ("left", "right"):
            start = bones[f"{side}_shoulder"].head.copy()
            for name in ("shoulder", "elbow", "wrist"):
                bone = bones[f"{side}_{name}"]
                bone.tail = start + 1.25 * (bone.tail - start)
    bpy.context.view_layer.objects.active = rig
    rig.select_set(True)
    bpy.context.scene.render.fps = 30
    npz.write_motion(tmp_path / "clap.npz", Motion(reaching("clap").astype(np.float32), 30.0, {}))
    apart = {}
    for hands in (0.0, 1.0):
        addon.settings().hands = hands
        bpy.ops.kinetype.import_motion(filepath=str(tmp_path / "clap.npz"), start_frame=1)
        bpy.context.scene.frame_set(31)
        seen = rig.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones
        apart[hands] = (seen["left_wrist"].head - seen["right_wrist"].head).x
    assert apart[0.0] < 0.03  # longer arms cross each other
    assert apart[1.0] == pytest.approx(0.06, abs=0.01)


def test_a_file_that_is_none_is_refused(character, tmp_path: Path) -> None:
    (tmp_path / "no.npz").write_bytes(b"nothing")
    with pytest.raises(RuntimeError, match="no\\.npz"):
        bpy.ops.kinetype.import_motion(filepath=str(tmp_path / "no.npz"))
    assert not bpy.data.actions


@pytest.mark.parametrize("suffix", [".npz", ".bvh"])
def test_takes_are_saved_as_they_were(suffix: str, character, tmp_path: Path) -> None:
    npz.write_motion(tmp_path / "in.npz", WALK)
    bpy.ops.kinetype.import_motion(filepath=str(tmp_path / "in.npz"))
    path = tmp_path / f"out{suffix}"
    assert bpy.ops.kinetype.export_motion(filepath=str(path)) == {"FINISHED"}
    clip = read_clip(path)
    assert clip.fps == 30.0
    apart = motion135.joints(clip.data.astype(np.float64)) - motion135.joints(WALK.data)
    assert np.abs(apart).max() < 1e-3


@pytest.mark.parametrize("suffix", [".fbx", ".glb"])
@pytest.mark.parametrize("root", [False, True])
def test_engines_get_their_files(suffix: str, root: bool, character, tmp_path: Path) -> None:
    npz.write_motion(tmp_path / "in.npz", WALK)
    bpy.ops.kinetype.import_motion(filepath=str(tmp_path / "in.npz"))
    action, bones = character.animation_data.action, len(character.data.bones)
    path = tmp_path / f"out{suffix}"
    assert bpy.ops.kinetype.export_motion(filepath=str(path), root_bone=root) == {"FINISHED"}
    assert character.animation_data.action == action and len(character.data.bones) == bones
    assert [a.name for a in bpy.data.actions] == [action.name]
    want = character.evaluated_get(bpy.context.evaluated_depsgraph_get())
    bpy.context.scene.frame_set(40)
    want = np.array(want.matrix_world @ want.pose.bones["left_wrist"].head)
    before = set(bpy.data.objects)
    if suffix == ".fbx":
        bpy.ops.import_scene.fbx(filepath=str(path))
    else:
        bpy.ops.import_scene.gltf(filepath=str(path))
    (made,) = (o for o in set(bpy.data.objects) - before if o.type == "ARMATURE")
    assert ("root" in made.data.bones) == root
    bpy.context.scene.frame_set(40)
    first = reading.frames_of(made)[0]
    shift = 40 - (40 - 1 + first) if suffix == ".glb" else 0
    bpy.context.scene.frame_set(40 - shift)
    posed = made.evaluated_get(bpy.context.evaluated_depsgraph_get())
    found = np.array(posed.matrix_world @ posed.pose.bones["left_wrist"].head)
    assert np.abs(found - want).max() < 0.03


@pytest.mark.parametrize("unit", ["m", "cm"])
def test_round_trip_through_blenders_own_bvh(unit: str, addon, tmp_path: Path) -> None:
    """Kinetype's BVH, imported and exported by Blender, shows the same joints within 2 mm."""
    bvh.write_motion(tmp_path / "walk.bvh", WALK, unit=unit)
    bpy.context.scene.render.fps = 30
    bpy.ops.import_anim.bvh(
        filepath=str(tmp_path / "walk.bvh"), global_scale=1.0 / bvh.UNITS[unit], frame_start=1
    )
    rig = bpy.context.object
    heights = [(rig.matrix_world @ bone.head_local).z for bone in rig.data.bones]
    assert 0.0 < min(heights) < 0.03  # it stands on Blender's floor
    bpy.ops.export_anim.bvh(
        filepath=str(tmp_path / "back.bvh"), frame_start=1, frame_end=len(WALK.data)
    )
    clip = read_clip(tmp_path / "back.bvh")
    assert clip.fps == 30.0 and clip.data.shape == WALK.data.shape
    apart = motion135.joints(clip.data.astype(np.float64)) - motion135.joints(WALK.data)
    assert np.linalg.norm(apart, axis=-1).max() < 2e-3


def test_an_unknown_suffix_is_named(character, tmp_path: Path) -> None:
    npz.write_motion(tmp_path / "in.npz", WALK)
    bpy.ops.kinetype.import_motion(filepath=str(tmp_path / "in.npz"))
    with pytest.raises(RuntimeError, match=r"\.bvh, \.fbx"):
        bpy.ops.kinetype.export_motion(filepath=str(tmp_path / "out.txt"))


def test_the_menus_have_their_entries(addon) -> None:
    imports = bpy.types.TOPBAR_MT_file_import._dyn_ui_initialize()
    assert any(f.__module__.endswith("menus") for f in imports)
    assert armatures.CHARACTER_NAME

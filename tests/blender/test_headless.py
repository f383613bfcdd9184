"""The program that writes .blend and .mp4, as the command line starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from backend.errors import FormatError, InvalidRequest, OutputError  # noqa: E402
from backend.motion.io import npz  # noqa: E402
from blender_addon import headless  # noqa: E402
from blender_addon.scene import action as actions  # noqa: E402
from blender_addon.scene.render import RenderSettings  # noqa: E402
from tests.blender import synthetic  # noqa: E402

REPO = Path(__file__).resolve().parents[2]
SMALL = RenderSettings(64, 36)


@pytest.fixture
def motion_file(tmp_path: Path) -> Path:
    path = tmp_path / "walk.npz"
    npz.write_motion(path, synthetic.walk(0.2))
    return path


def start(*arguments: object, script: bool = False) -> tuple[int, list[dict], str]:
    """Run the program: exit code, the JSON lines of stdout, stderr."""
    program = [str(REPO / "blender_addon" / "headless.py")] if script else ["-m", headless.__name__]
    done = subprocess.run(
        [sys.executable, *program, *map(str, arguments)],
        cwd=REPO if not script else REPO.parent,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": ""},
        timeout=240,
    )
    # importing bpy may print a warning about the system before the program has a word
    lines = [line for line in done.stdout.splitlines() if " WARNING " not in line]
    return done.returncode, [json.loads(line) for line in lines], done.stderr


def test_the_program_writes_blend_video_and_frames(motion_file: Path, tmp_path: Path) -> None:
    blend, mp4, frames = (tmp_path / "o" / n for n in ("a.blend", "a.mp4", "frames"))
    code, lines, log = start(
        "--motion", motion_file, "--out", blend, "--out", mp4, "--frames", frames,
        "--width", 64, "--height", 36,
    )  # fmt: skip
    assert code == 0, log
    assert lines[-1]["event"] == "done" and lines[-1]["frames"] == 6
    assert lines[-1]["files"] == [str(blend), str(mp4), str(frames)]
    stages = {line["stage"] for line in lines if line["event"] == "progress"}
    assert stages == {"building the scene", "saving the file", "rendering"}
    assert sorted(p.name for p in blend.parent.iterdir()) == ["a.blend", "a.mp4", "frames"]
    assert len(list(frames.iterdir())) == 6
    bpy.ops.wm.open_mainfile(filepath=str(blend))
    scene = bpy.context.scene
    assert (scene.frame_start, scene.frame_end, scene.render.fps) == (1, 6, 30)
    armature = next(thing for thing in scene.objects if thing.type == "ARMATURE")
    action = armature.animation_data.action
    described = actions.read_description(action)
    assert described is not None and described["prompt"] == "a person walks forward"
    assert armature.children[0].modifiers[0].object == armature
    assert scene.camera is not None
    before = armature.pose.bones["left_hip"].matrix.copy()
    scene.frame_set(6)
    assert armature.pose.bones["left_hip"].matrix != before, "the saved file plays"


def test_the_program_writes_files_for_engines(motion_file: Path, tmp_path: Path) -> None:
    outputs = [tmp_path / "walk.fbx", tmp_path / "walk.glb"]
    code, events, errors = start("--motion", motion_file, "--out", outputs[0], "--out", outputs[1])
    assert code == 0 and events[-1]["event"] == "done", errors
    assert events[-1]["files"] == [str(path) for path in outputs]
    assert outputs[0].read_bytes()[:18] == b"Kaydara FBX Binary"
    content = outputs[1].read_bytes()
    head = json.loads(content[20 : 20 + int.from_bytes(content[12:16], "little")])
    [animation] = head["animations"]
    moved = {head["nodes"][c["target"]["node"]]["name"] for c in animation["channels"]}
    assert {"pelvis", "left_knee", "head"} <= moved and len(head["skins"]) == 1
    assert not any("camera" in node for node in head["nodes"])


def test_errors_are_json_and_words(tmp_path: Path) -> None:
    code, lines, log = start(
        "--motion", tmp_path / "none.npz", "--out", tmp_path / "a.blend", script=True
    )
    assert code == 1
    assert lines[-1]["event"] == "error" and lines[-1]["code"] == "format"
    assert "none.npz" in lines[-1]["message"] and lines[-1]["hint"]
    assert f"error: {lines[-1]['message']}" in log and f"hint: {lines[-1]['hint']}" in log
    assert not (tmp_path / "a.blend").exists()


def test_fractional_rates(tmp_path: Path) -> None:
    fps = 24000 / 1001
    summary = headless.export(synthetic.walk(2.0), headless.Outputs(tmp_path / "a.blend"), fps=fps)
    scene = bpy.context.scene
    assert scene.render.fps / scene.render.fps_base == pytest.approx(fps)
    assert summary["frames"] == 48 and scene.frame_end == 48


def test_an_existing_file_survives_a_failed_write(tmp_path: Path) -> None:
    target = tmp_path / "a.blend"
    target.mkdir()
    (target / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"a\.blend"):
        headless.export(synthetic.walk(0.2), headless.Outputs(target))
    assert (target / "mine.txt").read_text() == "mine"
    assert [item.name for item in tmp_path.iterdir()] == ["a.blend"]


def test_saving_again_replaces_without_backups(tmp_path: Path) -> None:
    target = tmp_path / "a.blend"
    for _ in range(2):
        headless.export(synthetic.walk(0.2), headless.Outputs(target))
    assert [item.name for item in tmp_path.iterdir()] == ["a.blend"]


@pytest.mark.skipif(os.sep == "\\", reason="there it does part folders")
@pytest.mark.parametrize("kind", ["mp4", "frames"])
def test_nothing_is_rendered_beside_a_name_with_a_backslash(tmp_path: Path, kind: str) -> None:
    with pytest.raises(OutputError, match="backslash"):
        headless.export(synthetic.walk(0.2), headless.Outputs(**{kind: tmp_path / "a\\b.mp4"}))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fps", [0.0, -5.0, 1000.0, float("nan")])
def test_impossible_rates(fps: float) -> None:
    with pytest.raises(InvalidRequest, match="frame rate"):
        headless.build_scene(synthetic.walk(0.2), SMALL, fps)


@pytest.mark.parametrize("size", [(0, 36), (64, 100000)])
def test_impossible_sizes(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidRequest, match="picture size"):
        headless.build_scene(synthetic.walk(0.2), RenderSettings(*size), 30.0)


def test_reading_a_motion_back_is_exact(motion_file: Path) -> None:
    motion = headless.read_motion(motion_file)
    assert (motion.data == synthetic.walk(0.2).data).all() and motion.fps == 30
    assert motion.meta == synthetic.walk(0.2).meta


@pytest.mark.parametrize(
    "content", ["text", "truncated", "foreign", "damaged", "words", "bad rate"]
)
def test_files_that_are_no_motion(motion_file: Path, tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.npz"
    if content == "text":
        path.write_text("not an archive")
    elif content == "truncated":
        path.write_bytes(motion_file.read_bytes()[:500])
    elif content == "foreign":
        np.savez(path, other=np.zeros(3))
    elif content == "damaged":
        np.savez_compressed(path, motion_135=synthetic.walk(2.0).data)
        whole = bytearray(path.read_bytes())
        whole[100:400] = b"\xff" * 300  # in the middle of the packed numbers
        path.write_bytes(whole)
    elif content == "words":
        np.savez(path, motion_135=np.full((4, 135), "x"))
    else:
        np.savez(path, motion_135=synthetic.walk(0.2).data, fps=np.nan)
    with pytest.raises(FormatError, match=r"bad\.npz") as problem:
        headless.read_motion(path)
    assert "allow_pickle" not in str(problem.value)


@pytest.mark.parametrize(
    "arguments", [[], ["--out", "a.gif"], ["--out", "a.mp4", "--out", "b.mp4"]]
)
def test_wrong_outputs_are_named(arguments: list[str]) -> None:
    options = headless._parser().parse_args(["--motion", "x.npz", *arguments])
    with pytest.raises(InvalidRequest):
        headless.plan_outputs(options)

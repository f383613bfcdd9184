"""``kinetype batch render``: motions onto a person's own character file, by several workers."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from backend.cli import batch_render  # noqa: E402
from backend.errors import ArmatureError, FormatError, InvalidRequest  # noqa: E402
from backend.motion.io import npz  # noqa: E402
from blender_addon import character_scene, headless  # noqa: E402
from blender_addon.core.errors import RenderError  # noqa: E402
from blender_addon.scene import armature as armatures  # noqa: E402
from blender_addon.scene import render  # noqa: E402
from blender_addon.scene.character_file import CharacterFile, open_character  # noqa: E402
from tests.blender import synthetic  # noqa: E402

REPO = Path(__file__).resolve().parents[2]
SMALL = ("--width", "64", "--height", "36")


@pytest.fixture(scope="module")
def hero(kit: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A character of capsules with a camera, a second armature and a range from frame 11."""
    place = REPO / "tests" / "scripts" / "capsule_character.py"
    spec = importlib.util.spec_from_file_location("capsule_character", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    data = json.loads((kit / "rigs" / "skeletons" / "mpfb_mixamo.json").read_text())
    path = tmp_path_factory.mktemp("hero") / "hero.blend"
    module.build(data, path, camera="Shot", decoy=True)
    return path


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A run folder with two motions, as ``batch generate`` leaves them."""
    for name in ("a", "b"):
        npz.write_motion(tmp_path / "out" / f"{name}.npz", synthetic.walk(0.2))
    return tmp_path / "out"


def batch(*options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "backend", "batch", "render", *map(str, options)]
    return subprocess.run(
        command, cwd=REPO, capture_output=True, text=True, check=False, timeout=290
    )


def job_file(folder: Path, *jobs: dict) -> Path:
    path = folder / "jobs.json"
    path.write_text(json.dumps([{"prompt": "walk", **job} for job in jobs]))
    return path


def test_a_motion_begins_where_the_character_stands_at_the_files_own_rate(hero: Path) -> None:
    scene = character_scene.build(
        synthetic.walk(1.0), CharacterFile(hero), render.RenderSettings(64, 36), None, print
    )
    assert (scene.frame_start, scene.frame_end, scene.render.fps) == (11, 34, 24)
    assert scene.camera.name == "Shot" and scene.render.engine == "BLENDER_WORKBENCH"
    assert not any(c.name.startswith("Kinetype") for c in scene.collection.children)
    rig = scene.objects["Hero"]
    feet = armatures.find_bones(rig)
    heights = []
    for frame in range(scene.frame_start, scene.frame_end + 1):
        scene.frame_set(frame)
        posed = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
        body = scene.objects["Body"].evaluated_get(bpy.context.evaluated_depsgraph_get())
        heights.append(min((body.matrix_world @ v.co).z for v in body.data.vertices))
        if frame == scene.frame_start:
            hips = (posed.matrix_world @ posed.pose.bones[feet["pelvis"]].head).xy
            assert hips.length < 0.05
    # the soles of the lowest foot stand on the floor, to a centimetre or two while it rolls
    assert min(heights) > -0.02 and float(np.median(np.abs(heights))) < 0.02


def test_the_stage_is_built_around_a_character_without_a_camera(hero: Path) -> None:
    asked = render.RenderSettings(64, 36, "workbench")
    scene = character_scene.build(
        synthetic.walk(0.2), CharacterFile(hero, camera="stage"), asked, 30.0, print
    )
    assert scene.camera.name == "Kinetype Camera" and scene.objects.get("Kinetype Floor")
    assert (scene.frame_start, scene.frame_end, scene.render.fps) == (11, 16, 30)


@pytest.mark.parametrize(
    ("parts", "error", "says"),
    [
        ({"camera": "None"}, InvalidRequest, "Shot"),
        ({"armature": "Nobody"}, ArmatureError, "Hero, Prop"),
        ({"armature": "Prop"}, ArmatureError, "no body"),
    ],
)
def test_what_a_file_lacks_is_said_with_what_it_has(
    hero: Path, parts: dict, error: type[Exception], says: str
) -> None:
    with pytest.raises(error) as caught:
        open_character(CharacterFile(hero, **parts))
    assert says in str(caught.value)


def test_files_that_are_no_characters(tmp_path: Path) -> None:
    (tmp_path / "text.blend").write_text("hello")
    for path in (tmp_path / "text.blend", tmp_path / "none.blend"):
        with pytest.raises(FormatError):
            open_character(CharacterFile(path))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "empty.blend"))
    with pytest.raises(ArmatureError, match="no armature"):
        open_character(CharacterFile(tmp_path / "empty.blend"))


def test_the_check_tries_characters_and_engines(hero: Path) -> None:
    found: list[dict] = []
    asked = [{"file": str(hero), "camera": "Shot"}, {"file": None, "engine": "cycles"}]
    character_scene.look_at_all(asked, lambda number, each: found.append(each))
    assert found[0]["armature"] == "Hero" and found[0]["camera"] == "Shot"
    assert "mixamo" in str(found[0]["rig"]).lower() and found[1] == {"engine": "cycles"}


def test_a_file_of_another_engine_needs_one_named(hero: Path) -> None:
    opened = open_character(CharacterFile(hero))
    with pytest.raises(RenderError, match="Choose an engine: workbench"):
        render.check_known("LUXCORE")
    render.adopt(opened.scene, render.RenderSettings(engine="cycles", samples=3))
    assert opened.scene.render.engine == "CYCLES" and opened.scene.cycles.samples == 3


def test_the_character_is_not_written_over(hero: Path) -> None:
    before = hero.read_bytes()
    with pytest.raises(Exception, match="own file"):
        headless.export(
            synthetic.walk(0.2), headless.Outputs(blend=hero), character=CharacterFile(hero)
        )
    assert hero.read_bytes() == before


def test_two_workers_render_kept_changed_and_failed_jobs(
    hero: Path, made: Path, tmp_path: Path
) -> None:
    before = hero.read_bytes()
    jobs = job_file(
        tmp_path,
        {"name": "a", "outputs": "png blend", "character": str(hero), "frames": "12-13"},
        {"name": "b", "outputs": "mp4", "frames": "2-3"},
    )
    options = ("--jobs", jobs, "--out", made, "--made", "--workers", 2, *SMALL)
    done = batch(*options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(made / "run_summary.json")
    assert sorted(p.name for p in (made / "a").iterdir()) == ["frame_0012.png", "frame_0013.png"]
    shown = {p.name for p in made.iterdir() if not p.name.startswith(".")}
    assert shown == {"a", "a.npz", "a.blend", "b.npz", "b.mp4", "logs", "run_summary.json"}
    assert "rendering 2/2" in (made / "logs" / "a.log").read_text()
    assert "  a: rendering 1/2" in done.stderr
    told = json.loads((made / "run_summary.json").read_text())
    assert (told["done"], told["kept"], told["workers"]) == (2, 0, 2)
    assert hero.read_bytes() == before and len(list(hero.parent.iterdir())) == 1

    (made / "b.npz").unlink()
    npz.write_motion(made / "b.npz", synthetic.walk(0.25))
    done = batch(*options, "--quiet")
    assert done.returncode == 0, done.stderr
    told = json.loads((made / "run_summary.json").read_text())
    assert (told["done"], told["kept"]) == (1, 1)

    jobs = job_file(tmp_path, {"name": "b", "outputs": "mp4", "frames": "90-95"})
    done = batch("--jobs", jobs, "--out", made, "--made", *SMALL)
    assert done.returncode == 1 and "b: The motion has no frames 90 to 95" in done.stderr


def test_parts_of_a_farms_job_share_a_folder(made: Path, tmp_path: Path) -> None:
    from backend.store.folder_lock import folder_lock

    jobs = job_file(tmp_path, {"name": "a", "outputs": "png"}, {"name": "b"})
    part = ("--jobs", jobs, "--out", made, "--made", "--only", "a", *SMALL)
    with folder_lock(made):  # another part is no reason to wait
        for frames in ("1-2", "3-3", "90-99"):  # a farm's last chunks may lie beyond a short job
            done = batch(*part, "--frames", frames, "--quiet")
            assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in (made / "a").iterdir()) == [
        "frame_0001.png", "frame_0002.png", "frame_0003.png",
    ]  # fmt: skip
    done = batch("--jobs", jobs, "--out", made, "--frames", "1-2")
    assert done.returncode == 2 and "--made" in done.stderr


def test_what_cannot_be_rendered_is_said_before_anything_is_made(
    hero: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for job, says in (
        ({"character": str(hero), "camera": "Long"}, "has no camera 'Long'"),
        ({"engine": "luxcore"}, "workbench, cycles, eevee"),
        ({"seconds": 99}, "Job '000_walk'"),
        ({"character": "none.blend"}, "Job '000_walk': There is no .blend file"),
    ):
        done = batch("--jobs", job_file(tmp_path, job), "--out", out, "--offline", "--check")
        assert done.returncode != 0 and says in done.stderr, done.stderr
        assert "Traceback" not in done.stderr and not out.exists()
    jobs = job_file(tmp_path, {"name": "a"})
    done = batch("--jobs", jobs, "--out", out, "--made", "--blender", tmp_path / "none")
    assert done.returncode == 1 and "cannot be run" in done.stderr and not out.exists()


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_run_that_is_ended_leaves_nothing_half_made(made: Path, tmp_path: Path) -> None:
    npz.write_motion(made / "a.npz", synthetic.walk(20.0))
    jobs = job_file(tmp_path, {"name": "a", "outputs": "mp4"})
    command = [sys.executable, "-m", "backend", "batch", "render", "--jobs", jobs, "--out", made]
    running = subprocess.Popen(
        [*map(str, command), "--made", *SMALL], cwd=REPO, stderr=subprocess.PIPE, text=True
    )
    assert running.stderr is not None
    for line in running.stderr:
        if "rendering 2/" in line:
            break
    assert list(made.glob(".a.*.mp4"))
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=200)
    assert running.returncode == 143
    until = time.monotonic() + 60
    while (left := list(made.glob(".a.*.mp4"))) and time.monotonic() < until:
        time.sleep(0.1)
    assert not left and not (made / "a.mp4").exists()


def test_every_option_of_a_job_is_a_key_of_job_files() -> None:
    from backend.batch.job_file import RENDER_KEYS

    assert {*batch_render.OPTIONS, "engine", "frames"} == set(RENDER_KEYS)

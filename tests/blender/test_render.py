"""Rendering headless to PNG frames and H.264."""

from __future__ import annotations

import ctypes
import signal
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from backend.errors import OutputError  # noqa: E402
from blender_addon import headless  # noqa: E402
from blender_addon.core.errors import RenderError  # noqa: E402
from blender_addon.scene import render  # noqa: E402
from tests.blender import synthetic  # noqa: E402

SMALL = render.RenderSettings(96, 54)


def pixels(path: Path) -> np.ndarray:
    """``[H, W, 3]`` of a picture, bottom row first, as displayed."""
    image = bpy.data.images.load(str(path))
    try:
        flat = np.empty(len(image.pixels), np.float32)
        image.pixels.foreach_get(flat)
        return flat.reshape(image.size[1], image.size[0], -1)[..., :3]
    finally:
        bpy.data.images.remove(image)


@pytest.fixture
def scene() -> bpy.types.Scene:
    """Three frames of a walk on the stage."""
    found = headless.build_scene(synthetic.walk(1.0), SMALL, 30.0)
    found.frame_end = 3
    return found


def test_frames_show_the_character_on_the_floor(scene: bpy.types.Scene, tmp_path: Path) -> None:
    counted: list[tuple[int, int]] = []
    frames = render.render_frames(scene, tmp_path / "f", lambda i, n: counted.append((i, n)))
    assert [frame.name for frame in frames] == [f"frame_{i:04d}.png" for i in (1, 2, 3)]
    assert sorted(tmp_path.joinpath("f").iterdir()) == frames
    assert counted == [(1, 3), (2, 3), (3, 3)]
    picture = pixels(frames[0])
    assert picture.shape == (54, 96, 3)
    red, blue = picture[..., 0], picture[..., 2]
    assert (red - blue > 0.3).sum() > 3, "orange joints of its left side"
    assert (blue - red > 0.3).sum() > 3, "blue joints of its right side"
    # not: a transparent, black or blown-out picture
    assert 0.4 < picture.mean() < 0.9 and picture.std() > 0.05
    floor, sky = picture[:8], picture[-8:]
    assert floor.std() > 0.01 and abs(floor.mean() - sky.mean()) > 0.02


def test_frames_of_a_motion_differ(scene: bpy.types.Scene, tmp_path: Path) -> None:
    frames = render.render_frames(scene, tmp_path)
    first, last = pixels(frames[0]), pixels(frames[-1])
    assert np.abs(first - last).max() > 0.1


def test_video_is_whole_and_has_every_frame(scene: bpy.types.Scene, tmp_path: Path) -> None:
    path = tmp_path / "new" / "walk.mp4"
    render.render_video(scene, path)
    assert [item.name for item in path.parent.iterdir()] == ["walk.mp4"]
    assert path.read_bytes()[4:8] == b"ftyp"
    clip = bpy.data.movieclips.load(str(path))
    assert clip.frame_duration == 3 and tuple(clip.size) == (96, 54)
    bpy.data.movieclips.remove(clip)


@pytest.mark.parametrize("name", ["{blend_name}/a{x}.mp4", "UPPER.MP4", "h#1 %d 'q\".mp4"])
def test_videos_get_the_very_name_that_was_asked_for(
    scene: bpy.types.Scene, tmp_path: Path, name: str
) -> None:
    render.render_video(scene, tmp_path / name)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / name]


def test_frames_in_a_folder_with_braces(scene: bpy.types.Scene, tmp_path: Path) -> None:
    frames = render.render_frames(scene, tmp_path / "{x}")
    assert sorted((tmp_path / "{x}").iterdir()) == frames


@pytest.mark.parametrize("kind", ["video", "frames"])
def test_ctrl_c_ends_a_render_and_leaves_nothing(
    scene: bpy.types.Scene, tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    scene.frame_end = 20
    rendered: list[int] = []
    # a test run in the background of a shell ignores Ctrl-C; the person at a terminal does not
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))

    def interrupt(done: int, total: int) -> None:
        rendered.append(done)
        if done == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        if kind == "video":
            render.render_video(scene, tmp_path / "walk.mp4", interrupt)
        else:
            render.render_frames(scene, tmp_path, interrupt)
    assert rendered == [1, 2]
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_cycles_renders_without_a_graphics_library(tmp_path: Path) -> None:
    settings = render.RenderSettings(64, 36, "cycles", 1)
    scene = headless.build_scene(synthetic.walk(1.0), settings, 30.0)
    scene.frame_end = 1
    (frame,) = render.render_frames(scene, tmp_path)
    assert 0.2 < pixels(frame).mean() < 0.95


def test_odd_sizes_are_made_even() -> None:
    scene = bpy.context.scene
    render.prepare(scene, render.RenderSettings(641, 359))
    assert (scene.render.resolution_x, scene.render.resolution_y) == (642, 360)


def test_unknown_engine() -> None:
    with pytest.raises(RenderError, match="'luxcore'"):
        render.prepare(bpy.context.scene, render.RenderSettings(engine="luxcore"))


def test_a_missing_graphics_library_is_an_error_not_a_crash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", missing)
    with pytest.raises(RenderError, match="libEGL") as raised:
        render.check_graphics("workbench")
    assert "apt-get install libegl1" in raised.value.hint
    render.check_graphics("cycles")


@pytest.mark.parametrize("kind", ["video", "frames"])
def test_a_file_in_the_way_of_the_folder(scene: bpy.types.Scene, tmp_path: Path, kind: str) -> None:
    blocker = tmp_path / "blocker"
    blocker.write_text("mine")
    write = render.render_video if kind == "video" else render.render_frames
    with pytest.raises(OutputError, match="Cannot write"):
        write(scene, blocker / "out.mp4")
    assert blocker.read_text() == "mine"

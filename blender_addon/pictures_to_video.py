"""A folder of PNG pictures to an MP4, with the encoder that Blender brings.

    python -m blender_addon.pictures_to_video FOLDER out.mp4 --fps 20
    blender -b --python blender_addon/pictures_to_video.py -- FOLDER out.mp4 --fps 20

The pictures are taken in the order of their names and must be of one size, even in both directions.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

if __name__ == "__main__" and not __package__:  # started by path: relative imports need a package
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "blender_addon"
    importlib.import_module("blender_addon")

import bpy

from .scene import compat


def encode(folder: Path, output: Path, fps: float) -> None:
    """Write ``output``; ``RuntimeError`` from Blender where it cannot."""
    pictures = sorted(folder.glob("*.png"))
    if not pictures:
        raise ValueError(f"no PNG pictures in {folder}")
    scene = bpy.data.scenes.new("pictures")
    image = bpy.data.images.load(str(pictures[0]))
    scene.render.resolution_x, scene.render.resolution_y = image.size
    scene.render.resolution_percentage = 100
    scene.render.fps = round(fps)
    scene.render.fps_base = round(fps) / fps
    # pictures are colours for the screen already
    scene.view_settings.view_transform = "Standard"
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    strip = strips.new_image(name="pictures", filepath=str(pictures[0]), channel=1, frame_start=1)
    for picture in pictures[1:]:
        strip.elements.append(picture.name)
    scene.frame_start, scene.frame_end = 1, len(pictures)
    compat.set_video_output(scene)
    scene.render.filepath = compat.render_path(output)
    scene.render.use_file_extension = False
    scene.render.use_sequencer = True
    bpy.ops.render.render(animation=True, scene=scene.name)


def main(words: list[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--fps", type=float, required=True)
    options = parser.parse_args(words)
    encode(options.folder.absolute(), options.output.absolute(), options.fps)


if __name__ == "__main__":
    main(sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:])

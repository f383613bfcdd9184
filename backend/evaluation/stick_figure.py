"""Stick figures in 3D: joint positions as pictures and animations, without Blender."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FormatError, InvalidRequest
from ..motion.io.atomic import atomic_path
from ..motion.representations.joints import as_joints
from .plotting import figure

CHAINS: tuple[tuple[int, ...], ...] = (
    (0, 2, 5, 8, 11),
    (0, 1, 4, 7, 10),
    (0, 3, 6, 9, 12, 15),
    (9, 14, 17, 19, 21),
    (9, 13, 16, 18, 20),
)
"""Right leg, left leg, spine, right arm, left arm (HumanML3D's kinematic chains)."""
COLOURS: tuple[str, ...] = ("#DD5A37", "#D69E00", "#B75A39", "#FF6D00", "#DDB50E")
WIDTHS: tuple[float, ...] = (4, 4, 2, 2, 2)

UPSIDE_DOWN_SCALE = -1.5
"""What the released script multiplies with: HumanAct12's joints point down."""
INCHES, DPI = (5.0, 6.0), 80
VIEW: dict[str, float] = {"elev": 20.0, "azim": 0.0}
MAX_FRAMES = 3000


@dataclass(frozen=True)
class Scene:
    """A clip ready to be drawn.

    Attributes:
        points: ``[F, 22, 3]``, plot axes: x, z and height; the first pelvis is at the origin and
            the lowest joint at height 0.
        low, high: ``[3]`` extent over the whole clip.
    """

    points: np.ndarray
    low: np.ndarray
    high: np.ndarray


def stage(joints: np.ndarray, scale: float = 1.0) -> Scene:
    """Scale, put on the floor, centre and turn to plot axes.

    Args:
        joints: ``[F, 22, 3]`` (or ``[F, 66]``), Y-up.
        scale: :data:`UPSIDE_DOWN_SCALE` for HumanAct12.

    Raises:
        FormatError: wrong shape, no frame, or values that are not finite.
    """
    points = as_joints(joints)
    if len(points) == 0:
        raise FormatError("The clip has no frames.", "Choose a clip that has some.")
    points = points * points.dtype.type(scale)
    points[..., (0, 2)] -= points[0, 0, (0, 2)]
    points[..., 1] -= points[..., 1].min()
    points = points[..., (0, 2, 1)]
    return Scene(points, points.min(axis=(0, 1)), points.max(axis=(0, 1)))


def pictures(
    scene: Scene,
    title: str = "",
    *,
    dpi: int = DPI,
    view: Mapping[str, float] | None = None,
    on_frame: Callable[[int, int], None] | None = None,
) -> list[np.ndarray]:
    """Every frame of a clip as RGB ``[6 dpi, 5 dpi, 3]`` uint8.

    Args:
        view: ``elev`` and ``azim`` in degrees.
        on_frame: ``on_frame(done, total)``.

    Raises:
        InvalidRequest: too many frames.
        MissingDependency: matplotlib is not installed.
    """
    total = len(scene.points)
    if total > MAX_FRAMES:
        raise InvalidRequest(f"The clip has {total} frames.", f"Cut it to {MAX_FRAMES} or fewer.")
    page = figure(*INCHES, dpi)
    axes = page.add_subplot(projection="3d")
    drawn = []
    for index, points in enumerate(scene.points):
        _draw(axes, scene, points, f"{title} [frame {index}]".strip(), view or VIEW)
        page.canvas.draw()
        drawn.append(np.asarray(page.canvas.buffer_rgba())[..., :3].copy())
        if on_frame is not None:
            on_frame(index + 1, total)
    return drawn


def _draw(
    axes: Any, scene: Scene, points: np.ndarray, title: str, view: Mapping[str, float]
) -> None:
    low, high = scene.low, scene.high
    axes.clear()
    for limits, start, end in zip(
        (axes.set_xlim, axes.set_ylim, axes.set_zlim), low, high, strict=True
    ):
        # an extent of nothing cannot be drawn
        limits(start, max(end, start + 1e-3))
    axes.set_box_aspect(np.maximum(high - low, 1e-3))
    axes.view_init(**view)
    axes.set_axis_off()
    corners = np.array([[low[0], low[0]], [high[0], high[0]]])
    sides = np.array([[low[1], high[1]], [low[1], high[1]]])
    axes.plot_surface(corners, sides, np.zeros((2, 2)), color="grey", alpha=0.15)
    for chain, colour, width in zip(CHAINS, COLOURS, WIDTHS, strict=True):
        axes.plot(*points[list(chain)].T, color=colour, linewidth=width)
    axes.set_title(title)


def save_gif(frames: Sequence[np.ndarray], path: str | Path, fps: float) -> None:
    """An endless GIF of RGB pictures ``[H, W, 3]`` uint8, 1000 / fps milliseconds each.

    Raises:
        OutputError: it cannot be written.
    """
    from PIL import Image

    images = [Image.fromarray(frame) for frame in frames]
    palette = images[0].quantize(colors=64)
    small = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    with atomic_path(path) as temporary:
        small[0].save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=small[1:],
            duration=round(1000 / fps),
            loop=0,
            disposal=1,
        )

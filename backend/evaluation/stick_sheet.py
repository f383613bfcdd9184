"""Contact sheets of stick figures: several clips, some frames of each, from the front and aside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..motion.io.atomic import atomic_path
from .plotting import figure
from .stick_figure import CHAINS, COLOURS

FRAMES = 8
SPACING = 1.3
"""Metres between the figures of a row."""


def draw(clips: Sequence[tuple[str, np.ndarray]], path: Path) -> None:
    """Write a PNG with a row for every ``(title, joints [T, 22, 3] m, Y-up)``.

    The figures of a row are frames at even distances in time, seen three quarters from the front of
    the first one, set beside each other; the line is the floor (y = 0).

    Raises:
        MissingDependency: matplotlib is not installed. OutputError: the file cannot be written.
    """
    made = figure(1.6 * FRAMES, 2.2 * len(clips), 80)
    for row, (title, joints) in enumerate(clips):
        axes = made.add_subplot(len(clips), 1, row + 1)
        turned = _seen_aside(joints)
        for place, frame in enumerate(np.linspace(0, len(joints) - 1, FRAMES).round().astype(int)):
            points = turned[frame] - [turned[frame, 0, 0] - SPACING * place, 0.0]
            for chain, colour in zip(CHAINS, COLOURS, strict=True):
                axes.plot(points[list(chain), 0], points[list(chain), 1], color=colour, lw=2)
        axes.axhline(0.0, color="0.6", lw=0.8)
        axes.set_title(title, fontsize=8, loc="left")
        axes.set_aspect("equal")
        axes.set_xlim(-SPACING, SPACING * FRAMES)
        axes.axis("off")
    made.tight_layout()
    with atomic_path(path) as temporary:
        made.savefig(temporary)


def _seen_aside(joints: np.ndarray) -> np.ndarray:
    """``[T, 22, 2]``: to the right and up on the picture, three quarters from the front."""
    across = (joints[0, 1] - joints[0, 2]) * [1.0, 0.0, 1.0]
    left = across / max(float(np.linalg.norm(across)), 1e-9)
    forward = np.cross(left, [0.0, 1.0, 0.0])
    # the figure's left is on the right of who looks at its face
    right = np.cos(0.6) * left + np.sin(0.6) * forward
    return np.stack([joints @ right, joints[..., 1]], axis=-1)

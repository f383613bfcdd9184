"""Motions to .blend, .fbx, .glb and .mp4: done by the add-on in a Blender process of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from ..batch import blender_process
from ..batch.blender_process import find, install_hint
from ..wire.messages import Progress
from . import console

if TYPE_CHECKING:
    from ..wire.messages import Motion

__all__ = ["export", "find", "install_hint"]


def export(motion: Motion, paths: Sequence[Path], *, quiet: bool = False) -> None:
    """Write one motion as files that Blender writes, one of each kind in one run of it.

    Raises:
        MissingDependency: no Blender.
        KinetypeError: what the add-on reports (no space, cannot render, ...).
        OutputError: Blender itself failed; its last lines are in ``detail``.
    """
    by_kind: dict[str, list[Path]] = {}
    for path in paths:
        by_kind.setdefault(path.suffix.lower(), []).append(path)
    for run in zip_longest(*by_kind.values()):
        _export(motion, [path for path in run if path is not None], quiet=quiet)


def _export(motion: Motion, paths: Sequence[Path], *, quiet: bool) -> None:
    from ..motion.io import npz

    names = " and ".join(path.name for path in paths)
    with tempfile.TemporaryDirectory(prefix="kinetype-") as folder:
        source = Path(folder) / "motion.npz"
        npz.write_motion(source, motion)
        arguments = ["--motion", str(source)]
        for path in paths:
            arguments += ["--out", str(path.absolute())]
        with (
            (Path(folder) / "log.txt").open("w+", errors="replace") as log,
            console.ProgressBars(quiet=quiet) as bars,
        ):
            bars.update(Progress("blender", "starting Blender"))

            def tell(event: blender_process.Event) -> None:
                if event["event"] == "progress":
                    bars.update(Progress("blender", event["stage"], event["step"], event["total"]))
                elif event["event"] == "warning":
                    console.warning(event["message"])

            blender_process.run(arguments, log, tell, what=names)

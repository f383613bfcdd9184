"""What a tour through the add-on is made of: buttons, waiting, pictures, checks that are counted.

Used by ``window_test.py`` inside of the Blender that ``blender_window.drive`` opened.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import blender_window

PATIENCE_S = 240.0
"""Only what hangs reaches it."""


class Tour:
    """A person at the mouse. Writes a line for each check to a file and to the standard output.

    Args:
        height: of the screen, pixels.
    """

    def __init__(self, log: Path, height: int) -> None:
        self._log = log.open("w", encoding="utf-8")
        self._height = height
        self._failed = 0
        self._callbacks: list[float] = []

    def _mouse(self) -> Any:
        import window_mouse

        return window_mouse

    def _module(self, name: str) -> Any:
        return sys.modules[f"{self._mouse().package()}.{name}"]

    def _board(self) -> Any:
        return self._module("jobs").board

    def _settings(self) -> Any:
        import bpy

        return bpy.context.scene.kinetype

    def _preferences(self) -> Any:
        import bpy

        return self._module("backend_settings").preferences_of(bpy.context)

    def _sidebar(self) -> tuple[Any, Any]:
        area = self._mouse().area_of("VIEW_3D")
        return area, self._mouse().region_of(area, "UI")

    def _press(self, command: str) -> Iterator[float | None]:
        yield 0.3
        yield from self._mouse().click(*self._sidebar(), command)

    def _runs(self, model: str) -> Callable[[], bool]:
        def running() -> bool:
            job = self._board().current
            if job is None:
                return False
            return job.step > 0 if model == "slow" else self._board().session.state == "busy"

        return running

    def _until(self, condition: Callable[[], bool], what: str) -> Iterator[float | None]:
        deadline = time.monotonic() + PATIENCE_S
        while not condition() and time.monotonic() < deadline:
            yield 0.02
        held = condition()
        self._check(what, held)
        if not held:
            raise AssertionError(f"{what}: {self._board()}")

    def _differ(self, one: Any, other: Any, bone: str) -> float:
        """How far the keys of a bone are apart in two Actions, at most."""
        found: list[dict] = []
        for action in (one, other):
            curves = self._module("scene.compat").fcurves_of(action)
            mine = [c for c in curves if f'"{bone}"' in c.data_path]
            found.append({(c.data_path, c.array_index): c for c in mine})
        return max(
            abs(curve.evaluate(frame) - found[1][key].evaluate(frame))
            for key, curve in found[0].items()
            for frame in range(1, 97, 5)
        )

    def _watch_timer(self) -> None:
        pump = self._module("pump")
        tick = pump.tick

        def timed() -> float | None:
            started = time.thread_time()
            try:
                return tick()
            finally:
                self._callbacks.append(time.thread_time() - started)

        pump.tick = timed

    def _close(self, window: Any) -> None:
        import bpy

        with bpy.context.temp_override(window=window):
            bpy.ops.wm.window_close()

    def _picture(self, name: str, *, whole: bool = True) -> None:
        area = None if whole else blender_window.crop_of(self._sidebar()[1], self._height)
        blender_window.ask({"name": name, "area": area})

    def _check(self, what: str, held: bool) -> None:
        self._failed += not held
        self._say(f"{'ok  ' if held else 'FAIL'} {what}")

    def _say(self, line: str) -> None:
        print(line, flush=True)
        self._log.write(line + "\n")
        self._log.flush()

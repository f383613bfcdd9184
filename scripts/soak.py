#!/usr/bin/env python3
"""Use the add-on at random for a long time, and see whether anything grows.

Each cycle does one thing that a person does: generate, cancel, kill the backend, undo, redo, save
and load, delete the character or a take. Every so often the file is closed, the backend stopped,
and what is left of it all is counted: data-blocks, handlers, threads, file descriptors, child
processes, memory. The backend is the real service with models of the tests, which are quick.

Usage::

    python scripts/soak.py [--cycles 200] [--seed 0] [--every 25]

Needs a Python with bpy. Prints a table in Markdown; ends with 1 if after the first cycles anything
but memory grew, or memory by 10 % or more. Counts of children and descriptors are of Linux.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import os
import random
import shlex
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SERVER = ROOT / "tests" / "service" / "fake_server.py"
PATIENCE_S = 120.0
GROWTH = 0.1
"""Of memory."""
STEPS = 1000
"""Of a motion that is interrupted."""


def main() -> int:
    """Run the cycles and print the table."""
    parser = argparse.ArgumentParser(description="Use the add-on at random, and count what grows.")
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=25, help="cycles between two rows")
    options = parser.parse_args()
    user = tempfile.mkdtemp(prefix="kinetype-soak-")
    os.environ["BLENDER_USER_RESOURCES"] = user  # before the first import of bpy
    sys.path.insert(0, str(ROOT))
    try:
        return _soak(options, Path(user))
    finally:
        shutil.rmtree(user, ignore_errors=True)


def _soak(options: argparse.Namespace, folder: Path) -> int:
    import bpy  # makes addon_utils known

    addon_utils = importlib.import_module("addon_utils")
    print(f"Blender {bpy.app.version_string}")
    addon_utils.enable("blender_addon", default_set=True)
    try:
        user = Person(random.Random(options.seed), folder)
        rows = [("start", user.at_rest())]
        for cycle in range(1, options.cycles + 1):
            user.act()
            if cycle % options.every == 0 or cycle == options.cycles:
                rows.append((str(cycle), user.at_rest()))
    finally:
        addon_utils.disable("blender_addon", default_set=True)
    names = list(rows[0][1])
    print(f"| cycles | {' | '.join(names)} |\n|{'---|' * (len(names) + 1)}")
    for label, row in rows:
        print(f"| {label} | {' | '.join(str(row[name]) for name in names)} |")
    print(f"seed {options.seed}: {', '.join(f'{n} x {k}' for k, n in user.done.most_common())}")
    grown = grew(rows[1][1], rows[-1][1]) if len(rows) > 1 else []
    print(f"grew: {', '.join(grown) or 'nothing'}")
    return 1 if grown else 0


def grew(before: dict[str, int], after: dict[str, int]) -> list[str]:
    """What there is more of; of memory, by too much."""
    return [
        name
        for name, count in after.items()
        if count > before[name] * (1.0 + GROWTH if name == "MB" else 1.0)
    ]


class Person:
    """Somebody who clicks at random."""

    def __init__(self, chance: random.Random, folder: Path) -> None:
        self._chance, self._folder = chance, folder
        self.done: Counter[str] = Counter()

    def act(self) -> None:
        """One cycle."""
        actions: dict[str, Callable[[], None]] = {
            "generate": self._generate,
            "cancel": self._cancel,
            "kill": self._kill,
            "undo": self._undo,
            "redo": self._redo,
            "load": self._load,
            "delete": self._delete,
        }
        name = self._chance.choice(list(actions))
        actions[name]()
        self.done[name] += 1

    def at_rest(self) -> dict[str, int]:
        """What there is when the file is closed and the backend stopped."""
        import bpy

        from blender_addon import jobs

        jobs.board.stop_session()
        self._until(lambda: not jobs.board.jobs)
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
        bpy.data.orphans_purge(do_recursive=True)
        self._until(lambda: not _children() and not _our_threads(), strict=False)
        gc.collect()
        handlers = bpy.app.handlers
        lists = [getattr(handlers, name) for name in dir(handlers)]
        return {
            "data-blocks": sum(len(found) for found in _collections()),
            "handlers": sum(len(found) for found in lists if isinstance(found, list)),
            "threads": threading.active_count(),
            "descriptors": sum(1 for _ in Path("/proc/self/fd").iterdir()),
            "children": len(_children()),
            "MB": _megabytes(),
        }

    def _settings(self, model: str) -> None:
        import bpy

        from blender_addon.backend_settings import preferences_of

        preferences = preferences_of(bpy.context)
        preferences.backend = "COMMAND"
        preferences.command = shlex.join(["env", f"PYTHONPATH={ROOT}", sys.executable, str(SERVER)])
        preferences.log_directory = str(self._folder / "logs")
        settings = bpy.context.scene.kinetype
        settings.custom_model, settings.cleanup = model, False
        settings.use_steps, settings.steps = True, STEPS if model == "slow" else 3
        settings.samples = self._chance.randint(1, 2)

    def _generate(self) -> None:
        import bpy

        self._settings("fake")
        bpy.ops.kinetype.generate(wait=True, timeout=PATIENCE_S)

    def _begin(self) -> None:
        """A motion that would take a minute, and has begun."""
        import bpy

        from blender_addon.jobs import board

        self._settings("slow")
        bpy.ops.kinetype.generate()
        self._until(lambda: any(job.step > 0 for job in board.jobs.values()))

    def _cancel(self) -> None:
        import bpy

        from blender_addon.jobs import board

        self._begin()
        bpy.ops.kinetype.cancel()
        self._until(lambda: not board.jobs)

    def _kill(self) -> None:
        from blender_addon.jobs import board

        self._begin()
        child = _children()[-1]
        os.killpg(child, signal.SIGKILL)
        self._until(lambda: not board.jobs)

    def _undo(self) -> None:
        import bpy

        if bpy.ops.ed.undo.poll():
            bpy.ops.ed.undo()

    def _redo(self) -> None:
        import bpy

        if bpy.ops.ed.redo.poll():
            with contextlib.suppress(RuntimeError):  # nothing to redo
                bpy.ops.ed.redo()

    def _load(self) -> None:
        import bpy

        path = str(self._folder / "scene.blend")
        bpy.ops.wm.save_as_mainfile(filepath=path)
        bpy.ops.wm.open_mainfile(filepath=path)

    def _delete(self) -> None:
        import bpy

        character = bpy.context.scene.kinetype.character
        if character is not None and self._chance.random() < 0.5:
            for thing in (*character.children, character):
                bpy.data.objects.remove(thing)
        elif bpy.ops.kinetype.take_delete.poll():
            bpy.ops.kinetype.take_delete()
        bpy.ops.ed.undo_push(message="delete")

    def _until(self, condition: Callable[[], bool], *, strict: bool = True) -> None:
        from blender_addon import pump

        deadline = time.monotonic() + (PATIENCE_S if strict else 10.0)
        pump.tick()
        while not condition():
            if time.monotonic() > deadline:
                if strict:
                    raise TimeoutError("The backend did not do what was asked.")
                return
            time.sleep(0.02)
            pump.tick()


def _collections() -> list:
    import bpy

    found = [getattr(bpy.data, name) for name in dir(bpy.data) if not name.startswith("_")]
    return [one for one in found if isinstance(one, bpy.types.bpy_prop_collection)]


def _our_threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("kinetype")]


def _children() -> list[int]:
    """Process ids of this process's children, those of all its threads."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            found += [int(word) for word in (task / "children").read_text().split()]
    return found


def _megabytes() -> int:
    """Resident memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20


if __name__ == "__main__":
    raise SystemExit(main())

#!/usr/bin/env python3
"""The add-on in a real Blender window, as a person uses it: clicks, kills, undo; with pictures.

Installs the extension by Blender's own command into a folder of its own, opens a window on a
virtual screen, presses the buttons with a simulated mouse, and checks what is in the scene. A line
is printed for each check; the last says how many failed. Pictures of what was shown go into a
folder (``--pictures``), for a person to look at. Whatever Blender complains about fails the run.

The backend is the real service with the starter model, and with models that are slow, or never
answer, of the tests.

Usage::

    python scripts/window_test.py [--extension ZIP] [--pictures DIR] [--log FILE]

Which Blender that is, and what is needed for it, says ``blender_window.py`` beside this file.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import blender_window
from window_steps import Tour

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.hub_server import serve_hub  # noqa: E402

SIZE = (1280, 2150)
"""High enough that every button of the sidebar is seen without scrolling."""
CANCEL_S, CALLBACK_S = 0.5, 0.05
"""Cancel takes less; one call of the timer costs less of the CPU."""
MODEL, REPO = "hymotion-lite", "tencent/HY-Motion-1.0-Lite"
RELEASE = {"config.yml": b"network_module_args: {}\n", "latest.ckpt": bytes(range(256)) * 64_000}
PACE = 600_000
"""A model that a hub on this computer holds, its files (long enough to be stopped), and
bytes a second."""
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Files that a Blender in a folder of its own may not see; the hub here does not encrypt."""
_VIEW, _BAR = (0, 60, 1045, 1500), (765, 60, 1045, 1100)
DOCS = {
    "not-installed": _BAR,
    "install-page": (505, 290, 1195, 835),
    "error": _BAR,
    "takes-compare": _VIEW,
    "download-asked": _VIEW,
    "download": _BAR,
    "constraint-list": (765, 940, 1045, 1500),
}
"""Pictures of documents, and what of the screen they show."""
FEW_STEPS = 6
"""Of the starter model: how good the motion is, is another test's question."""


# outside of Blender


def main() -> int:
    """Run the test; 0 when everything held."""
    parser = argparse.ArgumentParser(description="The add-on in a real Blender window.")
    parser.add_argument("--extension", type=Path, help="the zip; by default one that is built now")
    parser.add_argument("--pictures", type=Path, default=ROOT / "out" / "window")
    parser.add_argument("--docs", type=Path, help="folder for the pictures that documents show")
    parser.add_argument("--log", type=Path, default=ROOT / "out" / "window" / "window-test.log")
    options = parser.parse_args()
    options.pictures.mkdir(parents=True, exist_ok=True)
    options.log.parent.mkdir(parents=True, exist_ok=True)
    try:
        command = blender_window.blender()
        zipped = blender_window.extension(options.extension)
        with tempfile.TemporaryDirectory() as folder:
            environment = blender_window.install(command, zipped, Path(folder, "user"))
            server = [sys.executable, str(ROOT / "tests" / "service" / "fake_server.py")]
            backend = shlex.join(["env", f"PYTHONPATH={ROOT}", *server])
            given = [backend, str(options.log.resolve())]
            keep = partial(_keep, options.pictures, options.docs)
            with serve_hub({REPO: dict(RELEASE)}) as (address, hub):
                hub.pace = PACE
                for name in CERTIFICATES:
                    environment.pop(name, None)
                environment |= {
                    "HF_HOME": str(Path(folder, "hub")),
                    "HF_ENDPOINT": address,
                    "HF_HUB_DISABLE_TELEMETRY": "1",
                    "KINETYPE_HOME": str(Path(folder, "home")),
                    "NO_PROXY": "127.0.0.1",
                }
                return blender_window.drive(command, environment, "window_test", SIZE, given, keep)
    except blender_window.WindowError as error:
        parser.error(str(error))


def _keep(folder: Path, docs: Path | None, message: dict, picture: Any) -> None:
    """A picture, as Blender's message asks for it."""
    name = f"{message['name']}.png"
    shown = picture.crop(message["area"]) if message["area"] else picture
    shown.quantize(128).save(folder / name, optimize=True)
    if docs is not None and message["name"] in DOCS:
        docs.mkdir(parents=True, exist_ok=True)
        picture.crop(DOCS[message["name"]]).quantize(64).save(
            docs / f"window-{name}", optimize=True
        )


# inside of Blender


def inside() -> None:
    """Run the tour."""
    backend, log = blender_window.given()
    blender_window.perform(_Tour(backend, Path(log)).steps())


class _Tour(Tour):
    """What a person does on a first day, and what must then be so."""

    def __init__(self, backend: str, log: Path) -> None:
        super().__init__(log, SIZE[1])
        self._backend = backend

    def steps(self) -> Iterator[float | None]:
        for part in (
            self._first_run,
            self._generate,
            self._undo,
            self._cancel,
            self._killed,
            self._edit,
            self._takes,
            self._pages,
            self._download,
            self._constraints,
        ):
            self._say(f"# {part.__name__.strip('_').replace('_', ' ')}")
            yield from part()
        worst = max(self._callbacks)
        self._check(
            f"the dearest of {len(self._callbacks)} calls of the timer cost"
            f" {1000 * worst:.0f} ms of the CPU",
            worst < CALLBACK_S,
        )
        self._say(f"{self._failed} failed")
        self._log.close()
        if self._failed:
            raise AssertionError(f"{self._failed} checks failed")

    # ------------------------------------------------------------------ what is done

    def _first_run(self) -> Iterator[float | None]:
        import bpy

        mouse = self._mouse()
        mouse.unfold({"takes", "edit", "direct"}, mouse.package())
        self._watch_timer()
        yield 1.0
        region = self._sidebar()[1]
        region.active_panel_category = "Kinetype"
        yield 1.0
        self._check("the default cube is there", "Cube" in bpy.data.objects)
        self._check("Generate is offered", bpy.ops.kinetype.generate.poll())
        self._picture("first-run")

    def _generate(self) -> Iterator[float | None]:
        import bpy

        settings = self._settings()
        preferences = self._preferences()
        preferences.backend, preferences.command = "COMMAND", self._backend
        settings.lock_seed, settings.seed, settings.prompt = True, 3, "a person walks forward"
        settings.use_steps, settings.steps = True, FEW_STEPS
        frame = bpy.context.scene.frame_current
        yield from self._press("bpy.ops.kinetype.generate(")
        yield from self._until(lambda: not self._board().busy, "a motion from a click on Generate")
        rig = settings.character
        self._check("a mannequin performs a take", bool(rig and rig.animation_data.action))
        self._check("beside the default cube, not in it", abs(rig.location.x) >= 1.5)
        action = rig.animation_data.action
        self._check("as long as asked", abs(action.frame_range[1] - 1 - 4.0 * 24) <= 1.5)
        self._check("the current frame is as before", bpy.context.scene.frame_current == frame)
        seen = self._mouse().area_of("VIEW_3D").spaces[0].region_3d
        seen.view_location, seen.view_distance = (*rig.location[:2], 0.8), 7.0
        bpy.context.scene.frame_set(40)
        yield 1.0
        self._picture("generated")

    def _undo(self) -> Iterator[float | None]:
        import bpy

        mouse = self._mouse()
        for keys, there in (({"ctrl": True}, False), ({"ctrl": True, "shift": True}, True)):
            yield from mouse.key(mouse.area_of("VIEW_3D"), "Z", **keys)
            yield 0.5
            found = [thing for thing in bpy.data.objects if thing.type == "ARMATURE"]
            name = "redo" if there else "undo"
            self._check(f"{name} is one step: mannequin {there}", bool(found) == there)

    def _cancel(self) -> Iterator[float | None]:
        settings = self._settings()
        settings.steps = 1000
        for model, stage in (("slow", "sampling"), ("stuck", "a step that never ends")):
            settings.custom_model = model
            yield from self._press("bpy.ops.kinetype.generate(")
            yield from self._until(self._runs(model), f"{model} runs")
            if model == "slow":
                self._picture("progress")
            yield from self._press("bpy.ops.kinetype.cancel(")
            started = time.perf_counter()
            yield from self._until(lambda: not self._board().jobs, "the job is gone")
            took = time.perf_counter() - started
            self._check(f"Cancel in {stage} took {took:.2f} s", took < CANCEL_S)
        yield 1.0
        self._picture("cancelled")

    def _killed(self) -> Iterator[float | None]:
        settings, mouse = self._settings(), self._mouse()
        settings.custom_model = "slow"
        yield from self._press("bpy.ops.kinetype.generate(")
        yield from self._until(self._runs("slow"), "slow runs")
        os.kill(self._board().session._link._child._popen.pid, signal.SIGKILL)
        yield from self._until(lambda: not self._board().jobs, "the kill is noticed")
        self._check("it is told", "killed" in self._board().error.message)
        yield 3.0
        self._picture("error")
        yield from self._press("bpy.ops.kinetype.show_log(")
        yield 1.5
        editor = mouse.area_of("TEXT_EDITOR")
        self._check("Show Log opens a Text Editor", editor is not None)
        if editor is not None:
            self._check("with the log in it", editor.spaces.active.text.name == "Kinetype Log")
            self._close(mouse.window_of(editor))
        yield 1.0
        yield from self._press("bpy.ops.kinetype.restart_backend(")
        yield from self._until(lambda: self._board().session.state == "ready", "it is restarted")
        self._check("the error is gone", self._board().error is None)

    def _edit(self) -> Iterator[float | None]:
        import bpy

        settings = self._settings()
        settings.custom_model, settings.steps = "", FEW_STEPS
        settings.prompt, settings.edit_part = "a person waves", "RIGHT_ARM"
        settings.edit_frames = "ALL"
        before, old = set(bpy.data.actions), settings.character.animation_data.action
        yield from self._press("bpy.ops.kinetype.edit_motion(")
        yield from self._until(lambda: not self._board().busy, "an edit from a click on Edit")
        made = list(set(bpy.data.actions) - before)
        self._check("it is one more take", len(made) == 1 and old in list(bpy.data.actions))
        if made:
            same, other = (
                self._differ(old, made[0], f"{side}_elbow") for side in ("left", "right")
            )
            self._check("only the right arm changed", same == 0.0 and other > 0.01)
        yield 1.0
        self._picture("edited")

    def _takes(self) -> Iterator[float | None]:
        """Another seed, a star, two takes side by side."""
        import bpy

        settings, takes = self._settings(), self._module("takes")
        rig = settings.character
        edited = rig.animation_data.action
        yield from self._press("bpy.ops.kinetype.take_star(")
        yield 0.5
        self._check("a click stars a take", any(map(takes.has_star, takes.all_takes())))
        settings.prompt, settings.seed = "a person walks forward", 9
        yield from self._press("bpy.ops.kinetype.generate(")
        yield from self._until(lambda: not self._board().busy, "another take")
        settings.take_index = list(bpy.data.actions).index(edited)
        yield 1.0
        yield from self._press("bpy.ops.kinetype.take_compare(")
        yield 1.0
        bodies = [thing for thing in bpy.data.objects if thing.type == "ARMATURE"]
        self._check("two bodies stand side by side", len(bodies) == 2)
        seen = self._mouse().area_of("VIEW_3D").spaces[0].region_3d
        seen.view_location, seen.view_distance = (*rig.location[:2], 0.8), 7.0
        bpy.context.scene.frame_set(40)
        yield 4.0
        self._picture("takes-compare")
        yield from self._press("bpy.ops.kinetype.compare_end(")
        yield 0.5
        bodies = [thing for thing in bpy.data.objects if thing.type == "ARMATURE"]
        self._check("a click takes the second one back", bodies == [rig])

    def _download(self) -> Iterator[float | None]:
        """A download is asked for, told, stopped; what came is kept."""
        mouse = self._mouse()
        settings, window = self._settings(), mouse.window_of(mouse.area_of("VIEW_3D"))
        settings.model = MODEL
        yield 1.0
        yield from self._press("bpy.ops.kinetype.download_model(")
        yield 1.5
        self._check("nothing is fetched before a person agrees", not self._board().chores)
        self._picture("download-asked", whole=True)
        for value in ("PRESS", "RELEASE"):  # the mouse stays: a dialog that it leaves is gone
            window.event_simulate(type="RET", value=value)
            yield 0.1
        chores = self._board().chores
        yield from self._until(
            lambda: any(chore.fraction > 0.1 for chore in chores.values()), "bytes arrive"
        )
        yield 1.0
        self._picture("download", whole=True)
        yield from self._press("bpy.ops.kinetype.cancel_model(")
        started = time.perf_counter()
        yield from self._until(lambda: not self._board().chores, "the download is stopped")
        took = time.perf_counter() - started
        self._check(f"Cancel of a download took {took:.2f} s", took < CANCEL_S)
        models = self._module("model_list")
        yield from self._until(
            lambda: models.find(MODEL).state == "partial", "what came of it is kept"
        )
        settings.property_unset("model")
        yield 1.0

    def _constraints(self) -> Iterator[float | None]:
        """The list of what is wanted besides words."""
        import bpy

        rig = self._settings().character
        bpy.context.view_layer.objects.active = rig
        wants = rig.kinetype_directing
        bpy.context.scene.frame_set(24)
        yield 1.0
        yield from self._press("bpy.ops.kinetype.use_pose(")
        yield 0.5
        yield from self._press("bpy.ops.kinetype.add_path(")
        yield 0.5
        bpy.context.scene.frame_set(60)
        bpy.ops.kinetype.add_pin(limb="left-hand")
        kinds = [wish.kind for wish in wants.wishes]
        self._check("a pose, a path and a pin are listed", kinds == ["POSE", "PATH", "PIN"])
        yield 1.0
        self._picture("constraint-list")
        wants.wish_index = 0
        yield 0.5
        yield from self._press("bpy.ops.kinetype.wish_jump(")
        yield 0.5
        self._check("a click goes to its frame", bpy.context.scene.frame_current == 24)
        yield from self._press("bpy.ops.kinetype.wish_remove(")
        yield 0.5
        kinds = [wish.kind for wish in wants.wishes]
        self._check("a click removes it", kinds == ["PATH", "PIN"])

    def _pages(self) -> Iterator[float | None]:
        import bpy

        mouse = self._mouse()
        preferences = self._preferences()
        preferences.backend = "MANAGED"
        bpy.context.scene.kinetype.prompt = "a person runs"
        yield 4.0
        self._picture("not-installed")
        yield from self._press("bpy.ops.kinetype.open_preferences(")
        yield 3.0
        page = mouse.area_of("PREFERENCES")
        self._check("the page of the installation opens", page is not None)
        self._picture("install-page", whole=True)
        if page is not None:
            self._close(mouse.window_of(page))
        preferences.backend = "COMMAND"
        yield 1.0
        area, region = self._sidebar()
        window = mouse.window_of(area)
        with bpy.context.temp_override(window=window, area=area, region=region):
            bpy.ops.wm.call_panel(name="KINETYPE_PT_models", keep_open=True)
        yield 2.0
        self._picture("models-page")


if __name__ == "__main__":
    raise SystemExit(main())

"""A small real pipeline for the service tests: no torch, no weights, every step visible.

Registered through ``registry.register`` under names that say how it behaves.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from backend.pipelines import registry
from backend.wire.control import ModelInfo
from backend.wire.directing import TYPES
from backend.wire.messages import Motion, Progress, Request
from backend.wire.skeleton import JOINT_NAMES, MOTION_DIM, MOTION_FPS

STEPS = 5
UNKNOWN = {
    "kind": "unknown",
    "text": "The model 'fake' does not know “juggles”; nearest things it knows: throw, clap.",
    "words": "juggles",
    "nearest": ["throw", "clap"],
    "made": "",
    "models": [{"name": "slow", "title": "Slow", "download": False}],
}


class FakePipeline:
    """Smooth noise from the seed, in ``STEPS`` steps of ``step_seconds``."""

    step_seconds = 0.0

    def generate(
        self, request: Request, on_step: Callable[[Progress], None] | None = None
    ) -> list[Motion]:
        steps = request.steps or STEPS
        for step in range(1, steps + 1):
            self.step(step)
            if on_step is not None:
                on_step(Progress(request.id, "sampling", step, steps))
        return [self.motion(request, request.seed + i) for i in range(request.samples)]

    def step(self, step: int) -> None:
        time.sleep(self.step_seconds)

    def motion(self, request: Request, seed: int) -> Motion:
        frames = round(request.seconds * MOTION_FPS)
        rng = np.random.default_rng(seed)
        data = np.cumsum(rng.normal(0.0, 0.01, (frames, MOTION_DIM)), axis=0)
        warnings = ["Far from what it knows."] if "fish" in request.prompt else []
        meta = {"prompt": request.prompt, "seed": seed, "model": request.model}
        if "juggles" in request.prompt:
            warnings = [UNKNOWN["text"], "Something else."]
            meta["notices"] = [UNKNOWN, UNKNOWN, "not a note"]
        return Motion(data, meta={**meta, "warnings": warnings, "scale": np.float32(0.5)})


class Slow(FakePipeline):
    """Notices a cancel at its next step, a twentieth of a second away."""

    step_seconds = 0.05


class Long(FakePipeline):
    """Silent for a while."""

    step_seconds = 3.0


class Stuck(FakePipeline):
    """A native step that nothing can interrupt."""

    step_seconds = 120.0


class Noisy(FakePipeline):
    """Writes to stdout in every way a library can."""

    def step(self, step: int) -> None:
        print("loading shards \u2713", flush=True)
        os.write(1, b"raw bytes on descriptor one \xff\n")
        os.system("echo a child of the library")


class Broken(FakePipeline):
    """A bug."""

    def step(self, step: int) -> None:
        raise ZeroDivisionError("bad step")


class Quitter(FakePipeline):
    """A library that calls sys.exit."""

    def step(self, step: int) -> None:
        raise SystemExit(7)


class Dies(FakePipeline):
    """A native crash after a last word."""

    def step(self, step: int) -> None:
        os.write(2, b"segfault is near\n")
        os._exit(70)


class NotFinite(FakePipeline):
    """Diverges."""

    def motion(self, request: Request, seed: int) -> Motion:
        data = super().motion(request, seed).data.copy()
        data[3, 7] = np.nan
        return Motion(data)


class BadMeta(FakePipeline):
    """Puts something into the metadata that JSON does not know."""

    def motion(self, request: Request, seed: int) -> Motion:
        return Motion(super().motion(request, seed).data, meta={"path": Path("x")})


class Editor(FakePipeline):
    """Makes noise of what is not kept, and leaves the rest alone."""

    edit_seconds = (0.5, 60.0)
    continues_by = "editing"

    def edit(
        self,
        motion: Motion,
        prompt: str,
        *,
        keep_frames: Sequence[tuple[int, int]],
        keep_joints: Sequence[str] = (),
        seed: int,
        on_step: Callable[[int, int], None],
        **options: Any,
    ) -> Motion:
        anew = np.ones(len(motion.data), dtype=bool)
        for start, end in keep_frames:
            anew[start:end] = False
        columns = [joint not in keep_joints for joint in JOINT_NAMES]
        wide = np.r_[np.repeat(columns[:1], 3), np.repeat(columns, 6)]
        noise = np.random.default_rng(seed).normal(size=motion.data.shape)
        for step in range(STEPS + 1):
            self.step(step)
            on_step(step, STEPS)
        data = np.where(anew[:, None] & wide, noise, motion.data)
        note = {
            "kept_frames": [list(r) for r in keep_frames],
            "kept_joints": list(keep_joints),
            "before": motion.meta,
            **options,
        }
        return Motion(data, motion.fps, {"prompt": prompt, "seed": seed, "edit": note})


class Director(FakePipeline):
    """Stands still where a path leads it, and meets nothing else."""

    def motion(self, request: Request, seed: int) -> Motion:
        frames = round(request.seconds * MOTION_FPS)
        data = np.zeros((frames, MOTION_DIM))
        data[:, 1] = 0.93
        data[:, 3:] = np.tile([1.0, 0.0, 0.0, 1.0, 0.0, 0.0], len(JOINT_NAMES))
        for each in request.constraints:
            if each["type"] == "root2d":
                rows, way = list(each["frame_indices"]), np.array(each["smooth_root_2d"])
                data[:, 0] = np.interp(np.arange(frames), rows, way[:, 0])
                data[:, 2] = np.interp(np.arange(frames), rows, way[:, 1])
                angle = np.unwrap(each.get("global_root_heading", np.zeros(len(rows))))
                turn = np.interp(np.arange(frames), rows, angle)
                data[:, 3], data[:, 7] = np.cos(turn), -np.sin(turn)
        return Motion(data, meta={"prompt": request.prompt, "seed": seed, "model": request.model})


PIPELINES: dict[str, type[FakePipeline]] = {
    "fake": FakePipeline,
    "slow": Slow,
    "long": Long,
    "stuck": Stuck,
    "noisy": Noisy,
    "broken": Broken,
    "quitter": Quitter,
    "dies": Dies,
    "not-finite": NotFinite,
    "bad-meta": BadMeta,
    "editor": Editor,
    "director": Director,
}
ABLE = {
    Editor: ("generate", "edit", "continue"),
    Director: ("generate", "constrain", "segments"),
}
loads: list[str] = []
"""Names in the order in which their loaders were called."""


def register_all() -> None:
    """Make the fakes loadable by name."""
    for name, kind in PIPELINES.items():

        def load(
            *, device: str | None, local_files_only: bool, name: str = name, kind: type = kind
        ) -> FakePipeline:
            loads.append(name)
            return kind()

        info = ModelInfo(
            name,
            name.title(),
            min_seconds=0.5,
            max_seconds=10.0,
            abilities=ABLE.get(kind, ("generate",)),
            constraints=TYPES if kind is Director else (),
        )
        registry.register(name, load, info, uses_torch=False)

#!/usr/bin/env python3
"""Many prompts in one go: per motion an .npz, a .blend and a video or PNG frames; one results.json.

With the bpy module:    ``python scripts/render_batch.py --prompts prompts.txt --out renders``
With a Blender program: ``blender -b --python scripts/render_batch.py -- --prompts prompts.txt ...``

``prompts.txt`` has one prompt per line; blank lines and lines that start with # are skipped.
``--jobs jobs.json`` takes a list of objects instead (CSV and YAML do as well); ``--help`` lists the
keys, of which only the prompt is required. A prompt that fails does not stop the others.
``--skip-existing`` takes over what an earlier run with the very same settings finished; motions of
other lists in the folder stay in results.json either way. Motions come from
the same backend as in the panel: in this process when it has torch, else in another one
(``--backend-python``, ``--backend-command``).

Exit code 0 only if every motion was made; 1 if any failed; 2 for wrong usage; 130 after Ctrl-C,
143 after SIGTERM.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # Blender starts scripts without their folder or the checkout
    sys.path.insert(0, str(ROOT))

NO_BLENDER = f"""error: {sys.executable} has no Blender module (bpy).
hint: Run 'blender -b --python scripts/render_batch.py -- ...', or a Python that has bpy, such as
that of the clone's .venv (make setup)."""
if find_spec("numpy") is None:  # Blender brings it, and so does bpy
    raise SystemExit(NO_BLENDER)

from backend import __version__  # noqa: E402
from backend.batch import yaml_elsewhere  # noqa: E402
from backend.batch.generation import model_identity  # noqa: E402
from backend.batch.job_file import (  # noqa: E402
    MOTION_KEYS,
    Job,
    alike,
    key_help,
    read_jobs,
    sample_names,
)
from backend.batch.preflight import check_space, motion_bytes  # noqa: E402
from backend.batch.rendering import remove_other_frames  # noqa: E402
from backend.cli.ending import Terminated, tidily  # noqa: E402
from backend.cli.outputs import check_writable  # noqa: E402
from backend.errors import FormatError, InternalError, InvalidRequest, KinetypeError, ServiceError  # noqa: E402
from backend.motion.io import npz  # noqa: E402
from backend.motion.io.atomic import atomic_path  # noqa: E402
from backend.store.folder_lock import folder_lock  # noqa: E402
from backend.wire import limits  # noqa: E402
from backend.wire.messages import Failure, Motion, Progress, Request, Result  # noqa: E402

if TYPE_CHECKING:
    from blender_addon.client import Session
    from blender_addon.scene.render import RenderSettings

RESULTS = "results.json"
BACKEND_HINT = "Check --backend-python or --backend-command."
EXIT_CANCELLED = 130
EXIT_TERMINATED = 143
SHOWN_ALIKE = 5
POLL_SECONDS = 0.05


class Batch:
    """Runs jobs, writes their files, keeps ``results.json`` up to date after each one."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.out: Path = options.out
        self.session: Session | None = None
        self.earlier = _earlier_results(self.out / RESULTS)
        self.results: list[dict[str, Any]] = []
        self.redone: set[str] = set()

    def run(self, jobs: Sequence[Job]) -> None:
        """Do all jobs."""
        if not self.options.skip_existing:
            self.redone = {name for job in jobs for name in sample_names(job)}
        try:
            for number, job in enumerate(jobs, start=1):
                _say(f"[{number}/{len(jobs)}] {job.request.get('prompt')}")
                self.results += list(self._one(job))
                self._write_results()
        finally:
            if self.session is not None:
                self.session.stop()

    def _one(self, job: Job) -> Iterator[dict[str, Any]]:
        names = sample_names(job)
        kept = [self._kept(name, job) for name in names]
        if all(kept):
            for result in kept:
                assert result is not None
                _say(f"  kept {result['name']}")
                yield result
            return
        started = time.monotonic()
        try:
            made = self._generate(Request.from_dict(job.request).validated())
        except Exception as error:
            for name in names:
                yield _failed(name, job, error)
            return
        generation = time.monotonic() - started
        for index, (name, motion) in enumerate(zip(names, made.motions, strict=True)):
            result = {
                "name": name,
                "status": "ok",
                "request": job.request,
                "settings": self._settings(job),
                "sample": index,
                "meta": motion.meta,
                "warnings": list(made.warnings),
                "generation_seconds": round(generation / len(names), 3),
            }
            try:
                result |= self._write_files(name, motion)
            except Exception as error:
                yield _failed(name, job, error)
                continue
            yield result

    def _generate(self, request: Request) -> Result:
        """Ask the backend and wait; progress goes to the terminal."""
        if self.session is None:
            self.session = _open_session(self.options)
        elif self.session.state == "dead":
            self.session.restart()
        self.session.submit(request)
        while True:
            for event in self.session.events():
                if isinstance(event, Progress) and event.id == request.id:
                    _progress(event.stage, event.step, event.total)
                elif isinstance(event, Failure) and event.id in ("", request.id):
                    raise event.to_error()
                elif isinstance(event, Result) and event.id == request.id:
                    for text in event.warnings:
                        _say(f"  warning: {text}")
                    return event
            time.sleep(POLL_SECONDS)

    def _write_files(self, name: str, motion: Motion) -> dict[str, Any]:
        from blender_addon import headless, quiet

        options = self.options
        files = self._files(name)
        started = time.monotonic()
        npz.write_motion(files["npz"], motion)
        outputs = headless.Outputs(
            blend=files["blend"], mp4=files.get("mp4"), frames=files.get("frames")
        )
        with quiet.quiet_blender(_say):
            summary = headless.export(
                motion,
                outputs,
                _render_settings(options),
                fps=options.fps,
                on_progress=_progress,
            )
        if "frames" in files:
            numbers = range(summary["first"], summary["first"] + summary["frames"])
            remove_other_frames(files["frames"], [f"frame_{n:04d}.png" for n in numbers])
        entry: dict[str, Any] = {
            "files": {kind: path.relative_to(self.out).as_posix() for kind, path in files.items()},
            "scene": summary,
            "export_seconds": round(time.monotonic() - started, 3),
        }
        if options.evaluate:
            entry["metrics"] = self._measure(files["npz"])
        return entry

    def _measure(self, path: Path) -> dict[str, float]:
        metrics = measure(path, self.options.backend_python)
        _say("  " + "  ".join(f"{k}={v:.4g}" for k, v in metrics.items()))
        return metrics

    def _files(self, name: str) -> dict[str, Path]:
        files = {"npz": self.out / f"{name}.npz", "blend": self.out / f"{name}.blend"}
        if self.options.format == "mp4":
            files["mp4"] = self.out / f"{name}.mp4"
        else:
            files["frames"] = self.out / name
        return files

    def _kept(self, name: str, job: Job) -> dict[str, Any] | None:
        """The entry of an earlier run, if the same settings made it and its files are there."""
        entry = self.earlier.get(name)
        if name in self.redone or entry is None or entry.get("settings") != self._settings(job):
            return None
        if entry.get("status") == "failed" or not isinstance(entry.get("files"), dict):
            return None
        wanted = self._files(name)
        if set(entry["files"]) != set(wanted) or not all(p.exists() for p in wanted.values()):
            return None
        if self.options.evaluate and "metrics" not in entry:
            try:
                entry = {**entry, "metrics": self._measure(wanted["npz"])}
            except KinetypeError:  # the file is not what it was
                return None
        return {**entry, "status": "kept"}

    def _settings(self, job: Job) -> str:
        """Digest of all that the files of a job depend on."""
        import bpy

        options = self.options
        names = ("fps", "width", "height", "engine", "render_samples", "format")
        try:
            model = model_identity(str(job.request.get("model")))
        except KinetypeError:  # one that only the backend's machine knows
            model = ""
        values = {
            **{name: getattr(options, name) for name in names},
            **{"request": job.request, "model": model},
            **{"version": __version__, "blender": bpy.app.version_string},
        }
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def _write_results(self) -> None:
        import bpy

        # those of other lists, and of jobs whose turn comes later: should this run be cut short,
        # the next needs them
        own = {result["name"] for result in self.results}
        others = [e for name, e in self.earlier.items() if name not in own | self.redone]
        known = [*self.results, *others]
        failed = sum(result.get("status") == "failed" for result in known)
        summary = {
            "blender": bpy.app.version_string,
            "succeeded": len(known) - failed,
            "failed": failed,
            "results": known,
        }
        with atomic_path(self.out / RESULTS) as temporary:
            temporary.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")


def _open_session(options: argparse.Namespace) -> Session:
    """The backend: in this process where torch is, else a child process."""
    from blender_addon.client import InProcessSession, ProcessSession, default_command

    if options.backend_command:
        return ProcessSession(shlex.split(options.backend_command))
    if options.backend_python is None and find_spec("torch") is not None:
        return InProcessSession()
    # its working folder is ours: a model may be named by a relative path
    command = default_command(options.backend_python, offline=options.offline, cwd=Path.cwd())
    return ProcessSession(*command)


def check_before_work(options: argparse.Namespace, jobs: Sequence[Job]) -> None:
    """What would fail after minutes of work otherwise: a folder, a rate or a size that cannot be.

    Raises:
        OutputError: the output folder cannot be written, or its disk is full.
        InvalidRequest: wrong rate, size or length of all motions, or no such Python.
    """
    from blender_addon import headless
    from blender_addon.scene.render import check_path

    python: str | None = options.backend_python
    if python is not None and shutil.which(Path(python).expanduser()) is None:
        raise InvalidRequest(f"There is no program {python}.", "Check --backend-python.")
    check_path(options.out)
    check_writable(options.out / RESULTS)
    headless.check_settings(_render_settings(options), options.fps)
    Request("walk", options.seconds, options.seed, options.samples, options.model).validated()
    frames = sum(float(str(job.request["seconds"])) for job in jobs) * options.fps
    picture = (options.width or 640) * (options.height or 360)
    pictures = frames * picture if options.format == "png" else 0
    check_space(options.out, motion_bytes(jobs) + round(pictures))


def _render_settings(options: argparse.Namespace) -> RenderSettings:
    from blender_addon.scene.render import RenderSettings

    return RenderSettings(options.width, options.height, options.engine, options.render_samples)


def check_measurable(python: str | None) -> None:
    """:class:`InvalidRequest` where :func:`measure` could not work, before hours of rendering."""
    if find_spec("scipy") is not None:
        return
    hint = "Name a Python that has it with --backend-python."
    if python is None:
        raise InvalidRequest("--evaluate needs scipy, which this Python lacks.", hint)
    try:
        done = subprocess.run([str(python), "-c", "import scipy"], capture_output=True, check=False)
    except OSError as error:
        raise InvalidRequest(f"{python} cannot be run: {error.strerror}.", hint) from error
    if done.returncode != 0:
        raise InvalidRequest(f"--evaluate needs scipy, which {python} lacks.", hint)


def measure(path: Path, python: str | None = None) -> dict[str, float]:
    """Physical metrics of a motion file.

    They need scipy, which Blender's own Python lacks; then the backend's Python runs this script.
    """
    if find_spec("scipy") is not None:
        from backend.evaluation.physical_rows import motion_metrics

        return motion_metrics(path)
    command = [str(python), str(Path(__file__).resolve()), "--measure", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise InternalError(f"The metrics of {path.name} failed.", "", done.stderr)
    return json.loads(done.stdout)


def _failed(name: str, job: Job, error: Exception) -> dict[str, Any]:
    if not isinstance(error, KinetypeError):
        error = InternalError(f"Unexpected error: {error}.", "", traceback.format_exc())
    if isinstance(error, ServiceError):  # its own hint speaks of buttons
        error.hint = BACKEND_HINT
    _say(f"  failed: {error}")
    problem = {"code": error.code, "message": error.message, "hint": error.hint}
    if error.detail:
        problem["detail"] = error.detail
    return {"name": name, "status": "failed", "request": job.request, "error": problem}


def _earlier_results(path: Path) -> dict[str, dict[str, Any]]:
    """Entries by name; an unreadable file counts as none, so that a restart can repair it."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["results"]
        return {entry["name"]: entry for entry in entries}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


# --------------------------------------------------------------------------- the program


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _progress(stage: str, step: int, total: int) -> None:
    """A line at the beginning and the end of each stage."""
    if total > 1 and step in (1, total):
        _say(f"  {stage} {step}/{total}")


def parser() -> argparse.ArgumentParser:
    """The options; needs bpy for the render options."""
    from blender_addon import headless

    made = argparse.ArgumentParser(prog="render_batch", description=__doc__.split("\n\n")[0])
    made.add_argument("--prompts", type=Path, help="text file, one prompt per line")
    made.add_argument(
        "--jobs",
        type=Path,
        help=f"job file (.json, .csv, .yaml); keys: {key_help(MOTION_KEYS)}",
    )
    made.add_argument("--out", type=Path, required=True, help="folder for the results")
    made.add_argument("--seconds", type=float, default=limits.DEFAULT_SECONDS)
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--samples", type=int, default=1, help="motions per prompt")
    made.add_argument("--model", default=limits.DEFAULT_MODEL)
    made.add_argument("--format", choices=("mp4", "png"), default="mp4")
    made.add_argument("--fps", type=float, default=30.0, help="of the scene and the video")
    made.add_argument("--evaluate", action="store_true", help="print physical metrics")
    made.add_argument("--skip-existing", action="store_true", help="continue an earlier run")
    made.add_argument("--backend-python", help="Python with torch, for the backend")
    made.add_argument("--backend-command", help="for example: ssh gpu-box kinetype serve")
    made.add_argument("--offline", action="store_true", help="never use the network")
    headless.add_render_options(made)
    return made


def main(arguments: Sequence[str]) -> int:
    """Run the batch; returns the exit code."""
    if arguments[:1] == ["--measure"]:
        print(json.dumps(measure(Path(arguments[1]))))
        return 0
    if find_spec("bpy") is None:
        _say(NO_BLENDER)
        return 1
    options = parser().parse_args(arguments)
    options.out = options.out.absolute()
    try:
        with tidily():
            batch = _run(options)
    except KinetypeError as error:
        _say(f"error: {error.message}\nhint: {error.hint}")
        return 2 if isinstance(error, InvalidRequest | FormatError) else 1
    except KeyboardInterrupt as reason:
        _say("ended; go on later with --skip-existing")
        return EXIT_TERMINATED if isinstance(reason, Terminated) else EXIT_CANCELLED
    failed = sum(result["status"] == "failed" for result in batch.results)
    _say(f"{len(batch.results) - failed} done, {failed} failed; see {options.out / RESULTS}")
    return 1 if failed else 0


def _run(options: argparse.Namespace) -> Batch:
    """Check everything, then do the jobs."""
    if options.evaluate:
        check_measurable(options.backend_python)
    defaults = {name: getattr(options, name) for name in ("seconds", "seed", "samples", "model")}
    with yaml_elsewhere.readable(options.jobs, options.backend_python) as listed:
        jobs = read_jobs(options.prompts, listed, defaults, MOTION_KEYS)
    for first, second in alike(jobs)[:SHOWN_ALIKE]:
        _say(f"warning: {second} will be the same motion as {first}: give it another seed.")
    check_before_work(options, jobs)
    with folder_lock(options.out):
        batch = Batch(options)
        batch.run(jobs)
    return batch


if __name__ == "__main__":
    own = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    sys.exit(main(own))

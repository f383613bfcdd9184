"""What ``kinetype doctor`` looks at: each function answers with one or more :class:`Check`."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from ..errors import KinetypeError

OK, ADVICE, MISSING = "ok", "advice", "missing"
"""Works; generating works but something else does not; generating does not work."""

REQUIRED = (
    "numpy", "scipy", "torch", "transformers", "safetensors", "huggingface_hub", "tqdm",
)  # fmt: skip
OLDEST_PYTHON = (3, 11)
PIP = f"{sys.executable} -m pip install"
BPY_TIMEOUT_SECONDS = 120
_MESA = "apt-get install libegl1 libgl1-mesa-dri"
_ASK_BPY = """
import json, bpy
print("kinetype:" + json.dumps({
    "version": bpy.app.version_string,
    "ffmpeg": bool(bpy.app.ffmpeg.supported),
    "ffmpeg_version": bpy.app.ffmpeg.avcodec_version_string.strip(),
}), flush=True)
"""


@dataclass(frozen=True)
class Check:
    """One line of the report; ``fix`` says what to do and is empty when there is nothing to do."""

    name: str
    status: str
    found: str
    fix: str = ""


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _install(error: ImportError) -> str:
    """The command that installs what an import missed."""
    return f"{PIP} {(error.name or 'torch transformers').split('.')[0]}"


def python() -> list[Check]:
    """The interpreter."""
    found = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info[:2] < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        return [Check("Python", MISSING, found, f"Use Python {oldest} or later.")]
    return [Check("Python", OK, found)]


def packages() -> list[Check]:
    """The packages that generating needs."""
    checks = []
    for name in REQUIRED:
        found = _version(name)
        if found is None:
            checks.append(Check(name, MISSING, "not installed", f"{PIP} {name}"))
        else:
            checks.append(Check(name, OK, found))
    return checks


def device() -> list[Check]:
    """Where the model would run, and whether torch itself can be imported."""
    if find_spec("torch") is None:
        return [Check("device", MISSING, "unknown without torch", f"{PIP} torch")]
    try:
        import torch
    except (ImportError, OSError) as error:
        fix = f"{PIP} --force-reinstall torch"
        return [Check("device", MISSING, f"torch cannot be imported: {error}", fix)]
    from ..service.engine import choose_device, default_threads

    chosen = choose_device(None)
    if chosen == "cpu":
        threads = default_threads() or torch.get_num_threads()
        return [Check("device", OK, f"cpu, {threads} thread{'s' if threads > 1 else ''}")]
    return [Check("device", OK, f"{chosen}, {torch.cuda.get_device_name(0)}")]


def text_encoder() -> list[Check]:
    """The frozen sentence encoder: where it is, and that it is the known one."""
    try:
        from ..text import minilm

        folder = minilm.find_folder(local_files_only=True)
        minilm.verify(folder)
    except ImportError as error:
        return [Check("text encoder", MISSING, f"cannot be loaded: {error}", _install(error))]
    except KinetypeError as error:
        return [Check("text encoder", MISSING, error.message, error.hint)]
    wheel = minilm.WHEEL_MODULE in folder.parts
    source = f"the package {minilm.WHEEL}" if wheel else "the hub cache"
    return [Check("text encoder", OK, f"all-MiniLM-L6-v2, verified, from {source} ({folder})")]


def starter_model() -> list[Check]:
    """The default model: its files, and the network built and filled from them."""
    from ..pipelines import registry
    from ..wire.limits import DEFAULT_MODEL

    name = "starter model"
    info = registry.model_info(DEFAULT_MODEL)
    if info is None or not info.ready:
        problem = info.problem if info else f"{DEFAULT_MODEL} is not registered"
        return [Check(name, MISSING, problem, info.fix if info else "Install Kinetype again.")]
    try:
        registry.load_pipeline(DEFAULT_MODEL, device="cpu", local_files_only=True)
    except KinetypeError as error:
        return [Check(name, MISSING, error.message, error.hint)]
    except ImportError as error:
        return [Check(name, MISSING, f"cannot be loaded: {error}", _install(error))]
    size = sum(file.stat().st_size for file in Path(info.path).rglob("*") if file.is_file())
    return [Check(name, OK, f"loaded, {size / 1e6:.1f} MB, {info.licence} ({info.path})")]


def blender() -> list[Check]:
    """Blender for .blend and .mp4, its video encoder, and the libraries it renders with."""
    from . import blender as launcher

    try:
        found = launcher.find()
    except KinetypeError as error:
        return [Check("Blender", ADVICE, f"{error.message} (.npz and .bvh work)", error.hint)]
    if found.source != "bpy":
        checks = [Check("Blender", OK, f"{found.version} ({found.source})")]
    else:
        checks = _bpy()
    return checks + _egl()


def _bpy() -> list[Check]:
    """Imports bpy in a process of its own: it can end the process where a library is missing."""
    from .blender import install_hint

    try:
        done = subprocess.run(
            [sys.executable, "-c", _ASK_BPY],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=BPY_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [Check("Blender", ADVICE, "bpy does not finish importing", install_hint())]
    answer: dict[str, object] = {}
    for line in done.stdout.splitlines():
        if line.startswith("kinetype:"):
            answer = json.loads(line.removeprefix("kinetype:"))
    if not answer:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        fix = "Install the system library that it names, or reinstall it. " + install_hint()
        return [Check("Blender", ADVICE, f"bpy cannot be imported: {last}", fix)]
    checks = [Check("Blender", OK, f"bpy {answer['version']} in this Python")]
    if answer["ffmpeg"]:
        checks.append(Check("ffmpeg", OK, f"inside bpy, libavcodec {answer['ffmpeg_version']}"))
    else:
        fix = "Use a Blender that was built with it. " + install_hint()
        checks.append(Check("ffmpeg", ADVICE, "bpy was built without it: no .mp4", fix))
    return checks


def _egl() -> list[Check]:
    """Rendering without a display goes through EGL on Linux."""
    if not sys.platform.startswith("linux"):
        return []
    try:
        ctypes.CDLL("libEGL.so.1")
    except OSError:
        fix = f"On Debian or Ubuntu: {_MESA}"
        return [Check("libEGL", ADVICE, "not installed: .mp4 cannot be rendered", fix)]
    return [Check("libEGL", OK, "libEGL.so.1")]


def folders() -> list[Check]:
    """Where outputs and temporary files go."""
    checks = []
    for name, folder in (
        ("current folder", Path.cwd()),
        ("temporary", Path(tempfile.gettempdir())),
    ):
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            fix = (
                "Write with --out to another folder." if name == "current folder" else "Set TMPDIR."
            )
            checks.append(Check(name, ADVICE, f"{folder}: {error.strerror}", fix))
        else:
            checks.append(Check(name, OK, f"{folder}, writable"))
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        checks.append(Check("network", OK, "off (HF_HUB_OFFLINE=1)"))
    return checks


def survive(look: Callable[[], list[Check]]) -> list[Check]:
    """What ``look`` finds; a package that its own imports miss is a finding too."""
    try:
        return look()
    except ImportError as error:
        name = look.__name__.replace("_", " ")
        if name == "blender":
            return [Check("Blender", ADVICE, f"cannot be looked for: {error}", _install(error))]
        return [Check(name, MISSING, f"cannot be looked at: {error}", _install(error))]


ALL: tuple[Callable[[], list[Check]], ...] = (
    python,
    packages,
    device,
    text_encoder,
    starter_model,
    blender,
    folders,
)

"""The one door from the add-on to the backend: ``backend.wire``, ``backend.errors``, the engine.

In the installed extension ``backend`` lies inside the add-on's package, in a checkout beside it; an
installed distribution calls it ``kinetype``. Importing this module loads the standard library and
numpy only; what may load torch is behind :func:`load_service`, for the worker thread of the
in-process session.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import backend as _backend
    from backend import errors
    from backend.motion import quaternions, retarget
    from backend.motion.io import atomic
    from backend.store import own_models
    from backend.wire import (
        codec,
        control,
        directing,
        framing,
        limits,
        messages,
        model_words,
        skeleton,
        tasks,
    )
elif find_spec(".backend", __package__) is not None:
    from . import backend as _backend
    from .backend import errors
    from .backend.motion import quaternions, retarget
    from .backend.motion.io import atomic
    from .backend.store import own_models
    from .backend.wire import (
        codec,
        control,
        directing,
        framing,
        limits,
        messages,
        model_words,
        skeleton,
        tasks,
    )
elif (Path(__file__).resolve().parents[1] / "backend" / "import_name.py").is_file():
    import backend as _backend
    from backend import errors
    from backend.motion import quaternions, retarget
    from backend.motion.io import atomic
    from backend.store import own_models
    from backend.wire import (
        codec,
        control,
        directing,
        framing,
        limits,
        messages,
        model_words,
        skeleton,
        tasks,
    )
else:
    import kinetype as _backend
    from kinetype import errors
    from kinetype.motion import quaternions, retarget
    from kinetype.motion.io import atomic
    from kinetype.store import own_models
    from kinetype.wire import (
        codec,
        control,
        directing,
        framing,
        limits,
        messages,
        model_words,
        skeleton,
        tasks,
    )

VERSION: str = _backend.__version__

KinetypeError = errors.KinetypeError
ArmatureError = errors.ArmatureError
FormatError = errors.FormatError
OutputError = errors.OutputError
ServiceError = errors.ServiceError
InvalidRequest = errors.InvalidRequest
MissingDependency = errors.MissingDependency
InternalError = errors.InternalError
ModelAbsent = errors.ModelAbsent
Cancelled = errors.Cancelled

JOINT_NAMES = skeleton.JOINT_NAMES
PARENTS = skeleton.PARENTS
REST_OFFSETS = skeleton.REST_OFFSETS
HAND_OFFSETS = skeleton.HAND_OFFSETS
SOLE_HEIGHT = skeleton.SOLE_HEIGHT
NUM_JOINTS = skeleton.NUM_JOINTS
MOTION_DIM = skeleton.MOTION_DIM
MOTION_FPS = skeleton.MOTION_FPS
ROOT_COLUMNS = skeleton.ROOT_COLUMNS
ROT6D_COLUMNS = skeleton.ROT6D_COLUMNS

Edit = messages.Edit
Motion = messages.Motion
Request = messages.Request
Progress = messages.Progress
Result = messages.Result
Failure = messages.Failure
ABILITIES = control.ABILITIES
OPTIONS = control.OPTIONS
BYTE_STAGES = control.BYTE_STAGES
REMOVABLE = control.REMOVABLE
ModelInfo = control.ModelInfo
Models = control.Models
ModelTask = tasks.ModelTask
TaskDone = tasks.TaskDone

__all__ = [
    "ABILITIES",
    "BYTE_STAGES",
    "HAND_OFFSETS",
    "JOINT_NAMES",
    "MOTION_DIM",
    "MOTION_FPS",
    "NUM_JOINTS",
    "OPTIONS",
    "PARENTS",
    "REMOVABLE",
    "REST_OFFSETS",
    "ROOT_COLUMNS",
    "ROT6D_COLUMNS",
    "SOLE_HEIGHT",
    "VERSION",
    "ArmatureError",
    "Cancelled",
    "Edit",
    "Failure",
    "FormatError",
    "InternalError",
    "InvalidRequest",
    "KinetypeError",
    "MissingDependency",
    "ModelAbsent",
    "ModelInfo",
    "ModelTask",
    "Models",
    "Motion",
    "MotionFiles",
    "OutputError",
    "Progress",
    "Request",
    "Result",
    "Service",
    "ServiceError",
    "TaskDone",
    "atomic",
    "codec",
    "control",
    "directing",
    "errors",
    "framing",
    "limits",
    "load_families",
    "load_files",
    "load_job_file",
    "load_motion",
    "load_registry",
    "load_service",
    "messages",
    "model_words",
    "own_models",
    "package_folder",
    "package_root",
    "quaternions",
    "retarget",
    "skeleton",
]


def package_folder() -> Path:
    """The folder of the backend's package; its name is that of the package where it lies."""
    return Path(_backend.__file__).resolve().parent


def package_root() -> Path:
    """The folder that holds the backend's package: the extension, a checkout or site-packages."""
    return package_folder().parent


@dataclass(frozen=True)
class Service:
    """Modules of the backend that run requests."""

    engine: ModuleType
    jobs: ModuleType
    library: ModuleType
    registry: ModuleType


def load_service() -> Service:
    """Engine, job queue and registry of models, for a worker thread: requests import torch."""
    engine, jobs, library = (_load(f".service.{name}") for name in ("engine", "jobs", "library"))
    return Service(engine, jobs, library, load_registry())


def load_registry() -> ModuleType:
    """``backend.pipelines.registry``: which models there are; cheap, without torch."""
    return _load(".pipelines.registry")


def load_families() -> ModuleType:
    """``backend.pipelines.family``: the cards of all families; cheap, without torch."""
    return _load(".pipelines.family")


@dataclass(frozen=True)
class MotionFiles:
    """Modules of the backend that read, write and change motions; numpy only."""

    load: ModuleType
    npz: ModuleType
    bvh: ModuleType
    convert: ModuleType


def load_files() -> MotionFiles:
    """Readers and writers of motion files, imported when a file is first met."""
    return MotionFiles(
        *(_load(f".motion.{name}") for name in ("io.load", "io.npz", "io.bvh", "convert"))
    )


def load_job_file() -> ModuleType:
    """``backend.batch.job_file``: prompts a line and job files; the standard library only."""
    return _load(".batch.job_file")


def load_motion(name: str) -> ModuleType:
    """A module of ``backend.motion`` (``looping``, ``edits``, ``mirror``, ...) when it is used."""
    return _load(f".motion.{name}")


def _load(name: str) -> ModuleType:
    return importlib.import_module(name, _backend.__name__)

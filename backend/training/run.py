"""The folder of a training run: guarded, held by one process, with its last good states and a log.

A run is ``config.json`` (what was asked for), ``state.pt`` (where it is), the two states before it,
and ``log.jsonl``. Nothing is written into a folder that holds anything of these names already,
unless it is this run that goes on.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..errors import ArtifactError, FormatError, InvalidRequest, KinetypeError
from ..motion.io import torch_file
from ..motion.io.atomic import atomic_path
from ..store.folder_lock import folder_lock
from ..store.model_folder import CONFIG, read_json, write_json

STATE, LOG = "state.pt", "log.jsonl"
KEPT_STATES = 3
_RUNS = (STATE, LOG, "model*.pt")
"""Files of runs of any kind."""


class RunFolder:
    """A run on disk.

    Args:
        path: made at the first write.
        also: names of files that the run writes beside its own, for the guard.
    """

    config_name = CONFIG
    states = (STATE,)
    """Patterns of the files by which a run is known and goes on."""

    def __init__(self, path: str | Path, *, also: tuple[str, ...] = ()) -> None:
        self.path = Path(path)
        self.own = (self.config_name, *also)

    # ------------------------------------------------------------------ the guard

    def check(self, *, resume: bool) -> None:
        """Refuse a folder that a run would damage, or that holds none to go on with.

        Raises:
            InvalidRequest: it holds a run and is not to go on, files of another project, or no run.
        """
        holds_run = any(any(self.path.glob(name)) for name in _RUNS)
        if resume:
            if not any(any(self.path.glob(name)) for name in self.states):
                raise InvalidRequest(
                    f"{self.path} holds no run to go on with.",
                    "Check --run, or leave out --resume.",
                )
            return
        if holds_run:
            raise InvalidRequest(
                f"{self.path} holds a run already.",
                "Add --resume to go on with it, or choose another --run.",
            )
        if self.path.exists() and not self.path.is_dir():
            raise InvalidRequest(f"{self.path} is a file.", "Name a folder with --run.")
        foreign = [name for name in self.own if any(self.path.glob(name))]
        if foreign:
            raise InvalidRequest(
                f"{self.path} holds {foreign[0]}, which is not of a training run.",
                "Choose another --run; a run never writes over other files.",
            )

    @contextmanager
    def held(self, *, resume: bool) -> Iterator[None]:
        """Keep other trainings out of the folder for the block; it is checked again inside.

        Raises:
            OutputError: another process trains there, or it cannot be written.
            InvalidRequest: as :meth:`check`.
        """
        with folder_lock(self.path, "training"):
            self.check(resume=resume)
            yield

    # ------------------------------------------------------------------ what is in it

    def read_config(self) -> dict[str, object]:
        """The values that the run was started with; :class:`ArtifactError` where there are none."""
        return read_json(self.path / self.config_name)

    def save(self, config: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        """Write configuration and state; the states before it stay as ``state-1.pt`` and so on."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(self.path / self.config_name, dict(config))
        self._keep_older()
        save_torch(self.path / STATE, dict(state))

    def load(self) -> dict[str, Any]:
        """The last state; :class:`ArtifactError` if it is missing or damaged."""
        return load_state(self.path)

    def state_name(self) -> str:
        """The file that :meth:`load` reads, for messages."""
        return str(self.path / STATE)

    def _keep_older(self) -> None:
        for age in range(KEPT_STATES - 1, 0, -1):
            younger = self.path / (f"state-{age - 1}.pt" if age > 1 else STATE)
            older = self.path / f"state-{age}.pt"
            if not younger.is_file():
                continue
            if age > 1:
                younger.replace(older)
                continue
            # not moved: there is a state.pt at every moment, even if the save fails
            older.unlink(missing_ok=True)
            try:
                os.link(younger, older)
            except OSError:  # a file system without links
                shutil.copyfile(younger, older)

    def log(self, row: Mapping[str, object]) -> None:
        """Add one line to ``log.jsonl``."""
        append_row(self.path, row)


# ---------------------------------------------------------------------- files of a run


def append_row(run: Path, row: Mapping[str, object]) -> None:
    """Add one line to ``log.jsonl`` of a run: JSON, so numbers that are not finite become null."""
    run.mkdir(parents=True, exist_ok=True)
    plain = {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in row.items()
    }
    with (run / LOG).open("a", encoding="utf-8") as file:
        file.write(json.dumps(plain, allow_nan=False) + "\n")


def save_torch(path: Path, content: object) -> None:
    """Write tensors and plain values whole or not at all, for :func:`load_torch`."""
    with atomic_path(path) as temporary:
        torch.save(content, temporary)


@contextmanager
def resuming(path: str | Path) -> Iterator[None]:
    """Make whatever a damaged or foreign state raises in the block an :class:`ArtifactError`."""
    try:
        yield
    except KinetypeError:
        raise
    except Exception as error:  # what it raises depends on where it does not fit
        raise ArtifactError(
            f"{path} cannot be resumed ({type(error).__name__}).",
            "Resume with the data, the settings and the version that started the run, or start "
            "anew without --resume.",
            str(error),
        ) from error


def load_torch(path: Path, hint: str) -> dict[str, object]:
    """What :func:`save_torch` wrote, tensors on the CPU; :class:`ArtifactError` if unreadable."""
    try:
        found = torch_file.load(path)
    except FormatError as error:
        raise ArtifactError(f"{path} cannot be read: {error.message}", hint) from error
    if not isinstance(found, dict):
        raise ArtifactError(f"{path} holds no state.", hint)
    return found


def load_state(run: Path) -> dict[str, Any]:
    """``state.pt`` of a run folder, tensors on the CPU; :class:`ArtifactError` if unreadable."""
    older = run / "state-1.pt"
    hint = (
        f"Put the state before it in its place ({older.name}), and resume."
        if older.is_file()
        else "Start the run again without --resume."
    )
    return load_torch(run / STATE, hint)


# ---------------------------------------------------------------------- budgets and rates


def share_spent(step: int, elapsed: float, *, steps: int | None, minutes: float | None) -> float:
    """Share of a budget that is spent, 0..1: of the ``minutes`` if given, else of the ``steps``.

    Args:
        elapsed: seconds of training, over all resumed parts of the run.
    """
    if minutes is not None:
        return min(1.0, elapsed / (60 * minutes))
    return 0.0 if steps is None else min(1.0, step / steps)


def warm_cosine(step: int, share: float, *, lr: float, warmup: int, final: float = 0.0) -> float:
    """Learning rate that rises over ``warmup`` steps and follows a cosine over the budget.

    Args:
        share: of the budget that is spent, 0..1.
        final: what is left of ``lr`` at the end, 0..1.
    """
    warm = min(1.0, (step + 1) / warmup)
    cosine = 0.5 * (1 + math.cos(math.pi * share))
    return lr * warm * (final + (1 - final) * cosine)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group of an optimiser this learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate

"""What trainers do alike: the budget, the learning rate, the log and the state of a run."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..errors import ArtifactError, InvalidRequest, KinetypeError
from ..motion.io.atomic import atomic_path

STATE, LOG = "state.pt", "log.jsonl"


def share_spent(step: int, elapsed: float, *, steps: int, minutes: float | None) -> float:
    """Share of a budget that is spent, 0..1: of the ``minutes`` if given, else of the ``steps``.

    Args:
        elapsed: seconds of training, over all resumed parts of the run.
    """
    done = step / steps if minutes is None else elapsed / (60 * minutes)
    return min(1.0, done)


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


def check_folder(run: Path, *, resume: bool) -> None:
    """Raise :class:`InvalidRequest` for a folder that holds a run, unless it is to go on."""
    if not resume and any(any(run.glob(name)) for name in (STATE, LOG, "model*.pt")):
        raise InvalidRequest(
            f"{run} holds a run already.", "Add --resume to go on with it, or choose another --run."
        )


def append_row(run: Path, row: Mapping[str, Any]) -> None:
    """Add one line to ``log.jsonl`` of a run."""
    run.mkdir(parents=True, exist_ok=True)
    with (run / LOG).open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def save_torch(path: Path, content: Any) -> None:
    """Write tensors and plain values whole or not at all, for ``torch.load(weights_only=True)``."""
    with atomic_path(path) as temporary:
        torch.save(content, temporary)


@contextmanager
def resuming(path: Path) -> Iterator[None]:
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


def load_state(run: Path) -> dict[str, Any]:
    """``state.pt`` of a run directory, tensors on the CPU; :class:`ArtifactError` if unreadable."""
    path = run / STATE
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damage raises whatever it meets
        raise ArtifactError(
            f"{path} cannot be read ({error}).", "Start the run again without --resume."
        ) from error

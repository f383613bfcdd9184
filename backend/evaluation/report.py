"""An evaluation is a function of its settings: it returns the report that is printed and written.

Everything that makes the numbers checkable is in it: protocol, sha256 of weights and motions, what
took no part and why, versions of what computed them.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from .. import __version__
from ..motion.io.atomic import atomic_path
from . import evaluators
from .evaluators.parts.judge import Report
from .settings import EvaluationSettings

RESULT = "evaluation.json"


def evaluate(settings: EvaluationSettings) -> Report:
    """Judge what the settings name.

    Returns:
        ``table`` (row -> metric -> mean, low, high), ``n``, ``protocol``, ``skipped``,
        ``missing_predictions``, ``warnings``, ``seconds``, ``versions`` and ``text``, the table for
        people; evaluators add to it.

    Raises:
        InvalidRequest: unknown names, folders that are not there, nothing left to judge.
        ArtifactError, MissingDependency: the evaluator cannot be loaded.
    """
    started = time.monotonic()
    return finished(evaluators.judge_class(settings.evaluator).report(settings), started)


def finished(report: Report, started: float) -> Report:
    """The report with the seconds since ``started`` and the versions."""
    seconds = round(time.monotonic() - started, 1)
    return report | {"seconds": seconds, "versions": versions()}


def versions() -> dict[str, str]:
    """Of what decides the numbers."""
    import platform

    import numpy
    import scipy
    import torch

    return {
        "kinetype": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
    }


def write(report: Report, folder: Path) -> Path:
    """``folder/evaluation.json``, whole or not at all, without the table for people."""
    shown = {key: value for key, value in report.items() if key != "text"}
    with atomic_path(folder / RESULT) as temporary:
        Path(temporary).write_text(json.dumps(shown, indent=1) + "\n", encoding="utf-8")
    return folder / RESULT

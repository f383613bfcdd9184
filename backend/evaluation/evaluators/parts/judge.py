"""What ``kinetype evaluate --evaluator`` names: something that makes a report of settings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...settings import EvaluationSettings

Report = dict[str, Any]
"""Plain JSON values; ``text`` is the table for people and is not written."""


class Judge(ABC):
    """One way of judging motions or texts; the module of this name holds it.

    Attributes:
        name: as the command line names it, and the name of its module.
        native: representation of the folders that it reads; None for any.
    """

    name: str
    native: str | None = None

    @classmethod
    @abstractmethod
    def report(cls, settings: EvaluationSettings) -> Report:
        """Judge what ``settings`` names; see :func:`backend.evaluation.report.evaluate`."""


def plain_report(
    evaluator: str, n: int, text: str, table: Mapping[str, object], **more: object
) -> Report:
    """The keys that every report has; ``more`` replaces or adds."""
    return {
        "protocol": {"evaluator": evaluator},
        "n": n,
        "missing_predictions": [],
        "skipped": {},
        "table": dict(table),
        "warnings": [],
        "text": text,
    } | more

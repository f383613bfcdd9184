"""``--evaluator physical``: plausibility of each motion alone, of any representation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...errors import InvalidRequest, KinetypeError
from .. import physical_rows, protocol
from ..settings import EvaluationSettings
from ..test_set import motion_file
from .parts.judge import Judge, Report, plain_report


class PhysicalJudge(Judge):
    """No text, no network: :func:`backend.evaluation.physical.physical_metrics` of folders."""

    name = "physical"

    @classmethod
    def report(cls, settings: EvaluationSettings) -> Report:
        """Rows of real motions and of predictions; each motion is judged alone."""
        return cls.of(settings, physical_rows.motion_metrics)

    @classmethod
    def of(
        cls, settings: EvaluationSettings, metrics: Callable[[Path], dict[str, float]]
    ) -> Report:
        """:meth:`report` with the metrics of each file from somewhere else."""
        names = settings.names()
        table: protocol.Table = {}
        skipped: dict[str, str] = {}
        missing: list[str] = []
        for label, folder in (
            (protocol.GT, settings.folder()),
            (protocol.PREDICTION, settings.judged),
        ):
            if folder is None:
                continue
            found = []
            for name in names:
                path = motion_file(folder, name)
                if path is None:
                    skipped[f"{label}: {name}"] = "no file"
                    if label == protocol.PREDICTION:
                        missing.append(name)
                    continue
                try:
                    found.append(metrics(path))
                except KinetypeError as error:
                    skipped[f"{label}: {name}"] = error.message
            if not found:
                raise InvalidRequest(
                    f"{folder} holds none of the {len(names)} motions.", "Check the names."
                )
            table[label] = physical_rows.row(found)
        return plain_report(
            cls.name,
            len(names),
            physical_rows.as_text(table),
            protocol.as_json(table),
            missing_predictions=missing,
            skipped=skipped,
        )

"""What one evaluation is asked to do; the command line, batch and Blender fill it in alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import InvalidRequest
from .test_set import split_names


@dataclass(frozen=True)
class EvaluationSettings:
    """Which motions or texts are judged, by what, and how often.

    Attributes:
        evaluator: a name of :func:`backend.evaluation.evaluators.names`.
        weights: folder or hub id of the evaluator's files; its own place when None.
        gt, predictions: folders with ``NAME.npy`` or ``NAME.npz`` (``NAME.txt`` for ``m2t``).
        captions: folder with ``NAME.txt``.
        split: text file of names; all of ``gt`` when None.
        gt_only: judge the real motions alone.
        preset: a name of :data:`backend.evaluation.protocol.PRESETS`.
        repeats, seed, caption: instead of the preset's.
        equal_captions: any motion with the same caption counts as right.
        convert: bring motions of other representations into the evaluator's, by the published
            chain.
        bridge: also judge the real motions after a way through this representation and back.
        limit: use so many motions, the first ones.
    """

    evaluator: str = "starter"
    weights: str | Path | None = None
    gt: Path | None = None
    predictions: Path | None = None
    captions: Path | None = None
    split: Path | None = None
    gt_only: bool = False
    preset: str = "kinetype"
    repeats: int | None = None
    seed: int | None = None
    caption: str | None = None
    equal_captions: bool = False
    convert: bool = False
    bridge: str | None = None
    limit: int | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise InvalidRequest(f"A limit of {self.limit} leaves nothing.", "Give 1 or more.")

    @property
    def judged(self) -> Path | None:
        """The folder of predictions, or None where the real motions are judged alone."""
        return None if self.gt_only else self.predictions

    def folder(self) -> Path:
        """The folder of real motions; :class:`InvalidRequest` where a folder is missing."""
        if self.gt is None or not self.gt.is_dir():
            raise InvalidRequest(
                "There is no folder of real motions." if self.gt is None
                else f"There is no folder {self.gt}.",
                "Give it with --gt (or use --model to evaluate a model on the bundled captions).",
            )  # fmt: skip
        if self.predictions is None and not self.gt_only:
            raise InvalidRequest(
                "There is no folder of predictions.", "Give it with --pred, or use --gt-only."
            )
        if self.predictions is not None and not self.predictions.is_dir():
            raise InvalidRequest(f"There is no folder {self.predictions}.", "Check --pred.")
        return self.gt

    def names(self) -> list[str]:
        """Names of the motions that take part, checked folders first."""
        return split_names(self.split, self.folder())[: self.limit]

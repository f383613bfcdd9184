"""What every evaluator offers: embeddings of motions and texts in one space."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ....errors import ArtifactError, FormatError, InvalidRequest
from ....motion.io import torch_file
from ....motion.representations.spec import check_finite
from ....store.hub import resolve
from ....store.statistics import read_pair
from ....store.weights import check_fit, read_tensors
from ... import embedding_report
from ...hml3d_items import Caption
from ...protocol import Protocol, preset
from ...settings import EvaluationSettings
from .judge import Judge, Report

NORMALISED_RATIO = 3.0
"""Columns that vary this many times more than the statistics say were left normalised."""

Batch = TypeVar("Batch")


class Evaluator(Judge):
    """Motions and captions to embeddings; made by ``from_pretrained`` of a subclass.

    Attributes:
        representation, dim, fps: what :meth:`embed_motions` takes, un-normalised.
        min_frames, max_frames: lengths that the protocol admits; longer motions are cut.
        mean, std: ``[dim]`` of the evaluator, applied inside.
        hashes: sha256 of every file that decides the numbers.
        hub_id: where its published files are; None where nobody published any.
        unit, unit_l1, tmr_score: of its :class:`~backend.evaluation.protocol.Protocol`.
    """

    hub_id: str | None = None
    unit = False
    unit_l1 = False
    tmr_score = False
    representation: str
    dim: int
    fps: float
    min_frames: int
    max_frames: int

    def __init__(
        self, mean: np.ndarray, std: np.ndarray, hashes: Mapping[str, str] | None = None
    ) -> None:
        self.mean, self.std = mean.astype(np.float32), std.astype(np.float32)
        self.hashes = dict(hashes or {})

    @classmethod
    @abstractmethod
    def from_pretrained(
        cls, folder: str | Path, *, device: str | None = None, local_files_only: bool = False
    ) -> Evaluator:
        """Load the evaluator's files from a folder or hub id."""

    @classmethod
    def loaded(cls, weights: str | Path | None, *, device: str | None = None) -> Evaluator:
        """The evaluator from ``weights``, else from its hub id.

        Raises:
            InvalidRequest: no weights, and nobody published any.
        """
        place = weights or cls.hub_id
        if place is None:
            raise InvalidRequest(
                f"The evaluator {cls.name!r} needs its published files.",
                "Give their folder with --weights; docs/evaluation.md says where they come from.",
            )
        return cls.from_pretrained(place, device=device)

    @classmethod
    def protocol(cls, settings: EvaluationSettings) -> Protocol:
        """How this evaluator's tables are made, with what the settings ask for."""
        asked = preset(
            settings.preset,
            repeats=settings.repeats,
            seed=settings.seed,
            caption=settings.caption,
        )
        return Protocol(
            cls.name,
            equal_captions=settings.equal_captions,
            unit=cls.unit,
            unit_l1=cls.unit_l1,
            tmr_score=cls.tmr_score,
            **asked,
        )

    @classmethod
    def report(cls, settings: EvaluationSettings) -> Report:
        """Ground truth first, then predictions; see :mod:`backend.evaluation.embedding_report`."""
        return embedding_report.evaluate(cls, settings)

    def embed_motions(
        self,
        motions: Sequence[np.ndarray],
        *,
        batch: int = 64,
        on_batch: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """``[T, dim]`` un-normalised each -> ``[N, D]`` float32.

        Motions of like length are encoded together; the result does not depend on the batch.

        Raises:
            FormatError: another width (a known representation is named), too short, not finite.
        """
        checked = [self.checked(motion, f"motion {i}") for i, motion in enumerate(motions)]
        order = np.argsort([-len(motion) for motion in checked], kind="stable")
        rows: dict[int, np.ndarray] = {}
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            with torch.inference_mode():
                found = self._embed_motion_batch([checked[i] for i in chosen]).float().cpu().numpy()
            rows |= dict(zip(chosen.tolist(), found, strict=True))
            if on_batch is not None:
                on_batch(min(start + batch, len(order)), len(order))
        return np.stack([rows[i] for i in range(len(checked))])

    def embed_texts(self, captions: Sequence[Caption | str], *, batch: int = 64) -> np.ndarray:
        """Captions, or plain texts -> ``[N, D]`` float32."""
        if isinstance(captions, str):
            raise TypeError("embed_texts takes a list of captions, not one caption")
        read = [c if isinstance(c, Caption) else Caption(c, ()) for c in captions]
        found = []
        for start in range(0, len(read), batch):
            with torch.inference_mode():
                found.append(self._embed_text_batch(read[start : start + batch]).float().cpu())
        return torch.cat(found).numpy()

    @abstractmethod
    def _embed_motion_batch(self, motions: Sequence[np.ndarray]) -> Tensor:
        """Checked motions, longest first -> [B, D]."""

    @abstractmethod
    def _embed_text_batch(self, captions: Sequence[Caption]) -> Tensor:
        """Captions -> [B, D]."""

    def checked(self, motion: np.ndarray, what: str) -> np.ndarray:
        """The motion as float32, cut to ``max_frames``; :class:`FormatError` if it does not fit."""
        motion = check_finite(motion, what)
        if motion.ndim != 2 or motion.shape[1] != self.dim:
            known = {263: "hml263", 272: "ms272", 135: "motion135", 205: "smplrifke205"}
            width = motion.shape[-1] if motion.ndim else 0
            guess = f" (that is {known[width]})" if width in known else ""
            raise FormatError(
                f"{what} has the shape {list(motion.shape)}{guess}; {self.name} reads "
                f"{self.representation}, [T, {self.dim}] at {self.fps:g} fps.",
                f"Convert it first: kinetype convert IN OUT --to {self.representation}.",
            )
        if len(motion) < self.min_frames:
            raise FormatError(
                f"{what} has {len(motion)} frames; {self.name} needs {self.min_frames}.",
                "Leave it out, or generate a longer motion.",
            )
        return motion[: self.max_frames].astype(np.float32)

    def looks_normalised(self, motions: Sequence[np.ndarray]) -> bool:
        """Whether the motions ``[T, D]`` seem to be network outputs that nobody un-normalised."""
        spread = np.concatenate([np.asarray(m, np.float64) for m in motions]).std(0)
        return float(np.median(spread / self.std)) > NORMALISED_RATIO

    def _padded(self, motions: Sequence[np.ndarray], frames: int | None = None) -> Tensor:
        """Normalised and zero-padded ``[B, T, D]``, D that of the statistics.

        That is ``dim`` unless :meth:`checked` turns motions into what the network reads.
        """
        frames = frames or max(map(len, motions))
        out = np.zeros((len(motions), frames, self.mean.size), np.float32)
        for row, motion in zip(out, motions, strict=True):
            row[: len(motion)] = (motion - self.mean) / self.std
        return torch.from_numpy(out)


def folder_of(place: str | Path, files: Sequence[str], *, local_files_only: bool = False) -> Path:
    """The folder of an evaluator: a directory, or that of a hub id with ``files`` (patterns)."""
    return resolve(place, (), optional=files, local_files_only=local_files_only)


def lengths_of(motions: Sequence[np.ndarray]) -> Tensor:
    """Frames of each motion, ``[B]``."""
    return torch.tensor([len(motion) for motion in motions])


def load_exact(module: nn.Module, weights: Mapping[str, Tensor], where: str) -> None:
    """Fill ``module``; :class:`ArtifactError` says what does not fit, and of which file."""
    complaint = f"The tensors in {where} are not those of this evaluator"
    hint = "Give the released checkpoint of this evaluator."
    check_fit(weights, module.state_dict(), complaint, hint, finite=True)
    module.load_state_dict(dict(weights))


def first_file(folder: Path, names: Sequence[str], what: str, hint: str) -> Path:
    """The first of ``names`` that exists in ``folder``, or :class:`ArtifactError`."""
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise ArtifactError(f"{folder} lacks {what} ({' or '.join(names)}).", hint)


def statistics(mean: Path, std: Path, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Two plain ``.npy`` vectors ``[dim]`` float32, deviations 1e-8 or more, as published.

    Raises:
        ArtifactError: a file is missing or no such vector.
    """
    found = read_pair(
        mean, std, dim, hint="Take the statistics that come with the evaluator.", smallest=1e-8
    )
    return found.mean.numpy(), found.std.numpy()


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """All tensors of a torch or safetensors file, nested dictionaries joined by dots.

    Raises:
        ArtifactError: unreadable, or a pickle that names more than tensors (nothing is run).
    """
    try:
        if path.suffix == ".safetensors":
            return read_tensors(path)
        content = torch_file.load(path)
    except Exception as error:  # torch, zipfile, pickle and safetensors each raise their own
        raise ArtifactError(
            f"{path} cannot be read as tensors.",
            "Only plain tensors are opened. If the file is complete, save its state_dict again"
            " with torch.save({'state_dict': ...}) on the computer that made it.",
            str(error),
        ) from error
    found: dict[str, Tensor] = {}
    _collect(content, "", found)
    return found


def _collect(value: object, prefix: str, found: dict[str, Tensor]) -> None:
    if isinstance(value, Tensor):
        found[prefix] = value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            _collect(part, f"{prefix}.{key}" if prefix else str(key), found)


def section(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors below ``prefix.``, without it."""
    start = f"{prefix}."
    return {key[len(start) :]: v for key, v in weights.items() if key.startswith(start)}

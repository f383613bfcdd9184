"""What every pipeline is: loaded from a folder, saved whole, asked for motions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from ..store.new_folder import new_folder
from ..wire.messages import Motion, Progress, Request
from ..wire.skeleton import MOTION_FPS
from .calls import Stages, meta_of, precision_name
from .family import bundled_folder


@dataclass(frozen=True)
class Made:
    """One native clip of a request.

    Attributes:
        features: ``[T, D]`` un-normalised, in the model's own representation and rate.
        note: what only this model tells of it, for ``Motion.meta``.
        warnings: sentences for the person who asked.
        seconds: how long the motion shall be; as asked when None.
    """

    features: np.ndarray
    note: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    seconds: float | None = None


class FamilyPipeline(ABC):
    """Base of the pipeline of every family.

    A family says how its folder is found, read and written (:meth:`find`, :meth:`read`,
    :meth:`write`), what it makes of a request (:meth:`make`), and how that becomes motion_135
    (:meth:`rig`); or it has a :meth:`generate` of its own.
    """

    device: torch.device
    precision: str = "float32"
    further_precisions: Sequence[str] = ()
    """What :meth:`from_pretrained` takes besides float32, bfloat16 and float16."""

    # ------------------------------------------------------------------ files

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        *,
        device: str | torch.device | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
        precision: str | None = None,
        **options: Any,
    ) -> Self:
        """Load a bundled model by name, a model directory or a hub id; every file is verified.

        Args:
            precision: of the networks' matrix products: "fp32" or "bf16" (or "float32", ...); the
                model's own when None.
            options: what only this family has (see its ``read``).

        Raises:
            ModelNotFound: nothing there.
            ArtifactError: a file is missing, damaged, or does not fit the others.
            InvalidRequest: an unknown precision or device.
        """
        folder = cls.find(
            bundled_folder(name_or_path), revision=revision, local_files_only=local_files_only
        )
        if precision is not None:
            options["precision"] = precision_name(precision, cls.further_precisions)
        return cls.read(folder, device=device, local_files_only=local_files_only, **options)

    def save_pretrained(
        self, directory: str | Path, *, overwrite: bool = False, **options: Any
    ) -> Path:
        """Write the model folder, whole or not at all, and return it.

        Args:
            overwrite: replace a model folder that is there already, with all that is in it.
            options: what only this family has (see its ``write``).

        Raises:
            OutputError: the folder is there already, or cannot be written.
        """
        with new_folder(directory, overwrite=overwrite) as folder:
            self.write(folder, **options)
        return Path(directory)

    @classmethod
    @abstractmethod
    def find(
        cls, name_or_path: str | Path, *, revision: str | None, local_files_only: bool
    ) -> Path:
        """The model's folder on this computer, fetched from the hub if need be."""

    @classmethod
    @abstractmethod
    def read(
        cls,
        folder: Path,
        *,
        device: str | torch.device | None = None,
        precision: str = "float32",
        local_files_only: bool = False,
    ) -> Self:
        """The pipeline of a folder; a family may have further options."""

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Write the model's files into a folder that is the caller's own."""

    # ------------------------------------------------------------------ motions

    def generate(
        self, request: Request, on_step: Callable[[Progress], None] | None = None
    ) -> list[Motion]:
        """The motions of a request in motion_135 at 30 fps, one per sample.

        Each ``Motion.meta`` holds prompt, seed, params as they were used, warnings and what only
        the family tells; the engine adds whose model it was.

        Args:
            on_step: receives a Progress at each step; it may raise ``Cancelled``.

        Raises:
            InvalidRequest: a value out of the model's limits, which the message names.
        """
        request = request.validated()
        tell = Stages(request, on_step)
        made = self.make(request, tell)
        tell("converting")
        used = self.used(request.guidance_scale, request.steps, request.sampler)
        motions = []
        for seed, clip in enumerate(made, request.seed):
            seconds = request.seconds if clip.seconds is None else clip.seconds
            data, note = self.rig(clip.features, replace(request, seconds=seconds))
            warnings = [*clip.warnings, *note.pop("warnings", ())]
            params, told = {"seconds": seconds, **used}, {**clip.note, **note}
            meta = meta_of(request, seed, params, warnings=warnings, **told)
            motions.append(Motion(data, MOTION_FPS, meta))
        return motions

    def make(self, request: Request, tell: Stages) -> list[Made]:
        """The native clips of a checked request; sample ``i`` has the seed ``seed + i``."""
        raise NotImplementedError

    def rig(self, features: np.ndarray, request: Request) -> tuple[np.ndarray, dict[str, Any]]:
        """Native features as motion_135 at 30 fps, and a note of what was lost.

        Args:
            request: how long the motion shall be, and how joints become rotations.
        """
        raise NotImplementedError

    @abstractmethod
    def used(
        self, guidance_scale: float | None, steps: int | None, sampler: str | None
    ) -> dict[str, Any]:
        """What these settings are for this model, its own ones filled in; those it has."""

    def autocast(self) -> AbstractContextManager[Any]:
        """Matrix products in the pipeline's precision, for networks that have no other way."""
        half = self.precision != "float32"
        return torch.autocast(self.device.type, getattr(torch, self.precision), enabled=half)

"""How the files of a conversion are converted: the settings and their check."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import FormatError, InvalidRequest
from ..motion import convert, ik, skeleton_file
from ..motion.io import bvh, formats, load

FORMATS: tuple[str, ...] = tuple(s.removeprefix(".") for s in formats.writable())
"""What a converted clip can be written as; npz and bvh hold motion_135 only."""

BVH_STYLES: tuple[str, ...] = ("kinetype", "motionstreamer")
BVH_UNITS: tuple[str, ...] = tuple(bvh.UNITS)
METHODS: tuple[str, ...] = ("adam", "gauss_newton")
BRIDGES: tuple[str, ...] = ("ik", "native")


@dataclass(frozen=True)
class ConversionSettings:
    """How every file of a run is converted.

    Attributes:
        target: representation of the output (``convert.SPECS``).
        source: what the inputs are (``load.SOURCES``).
        file_format: one of :data:`FORMATS`; npz for motion_135 and npy for the others when None.
        mean, std: ``.npy`` files that the inputs were normalised with.
        ik: a name of :data:`backend.motion.convert.IK_PRESETS`; what follows replaces its own.
        refine_iterations: of inverse kinematics; 0 for the closed form.
        learning_rate, method: of :class:`backend.motion.ik.Refinement`.
        floor_align, foot_align, hinge_twist, steady_twist: of
            :class:`backend.motion.convert.IkOptions`.
        bridge: one of :data:`BRIDGES`, the way from 263 to 272 features.
        skeleton: where the skeleton of 272 features is from
            (:func:`backend.motion.skeleton_file.load_offsets`); the neutral one when None.
        source_fps: rate of the inputs where they do not say it.
        up: axis that is up in the inputs; measured when None.
        force: read also what does not look like a body.
        ground: put the lowest contact of every motion on the floor, before it is converted.
        target_fps: see :func:`backend.motion.convert.convert`.
        bvh_style: one of :data:`BVH_STYLES`.
        bvh_unit: one of :data:`BVH_UNITS`.
        sample: which of several motions of a file; all of them in a folder, else the first, when
            None.
    """

    target: str
    source: str = load.AUTO
    file_format: str | None = None
    mean: str | None = None
    std: str | None = None
    ik: str = "clean"
    refine_iterations: int | None = None
    learning_rate: float | None = None
    method: str | None = None
    floor_align: bool | None = None
    foot_align: bool | None = None
    hinge_twist: bool | None = None
    steady_twist: bool | None = None
    bridge: str = "ik"
    skeleton: str | None = None
    source_fps: float | None = None
    up: str | None = None
    force: bool = False
    ground: bool = False
    target_fps: float | None = None
    bvh_style: str = "kinetype"
    bvh_unit: str = "m"
    sample: int | None = None

    def validated(self) -> ConversionSettings:
        """These settings with a format; :class:`InvalidRequest` says what to change."""
        file_format = self.file_format or ("npz" if self.target == "motion135" else "npy")
        for value, options, what in (
            (self.target, tuple(sorted(convert.SPECS)), "representation to write"),
            (self.source, load.SOURCES, "format to read"),
            (file_format, FORMATS, "file format"),
            (self.bvh_style, BVH_STYLES, "BVH style"),
            (self.bvh_unit, BVH_UNITS, "unit of a BVH"),
            (self.method or METHODS[0], METHODS, "refinement"),
            (self.ik, tuple(convert.IK_PRESETS), "preset of inverse kinematics"),
            (self.bridge, BRIDGES, "bridge"),
        ):
            if value not in options:
                raise InvalidRequest(
                    f"There is no {what} {value!r}.", f"Use one of: {', '.join(options)}."
                )
        if file_format != "npy" and self.target != "motion135":
            raise InvalidRequest(
                f"A .{file_format} file holds motion135, not {self.target}.", "Write a .npy file."
            )
        if self.bvh_style == "motionstreamer" and self.bvh_unit != "m":
            raise InvalidRequest("MotionStreamer's BVH is in metres.", "Leave --bvh-unit out.")
        if self.sample is not None and self.sample < 0:
            raise InvalidRequest(f"There is no motion {self.sample}.", "Numbers begin with 0.")
        if (self.mean is None) != (self.std is None):
            raise InvalidRequest("Mean and std belong together.", "Give both or neither.")
        iterations, rate = self.refine_iterations or 0, self.learning_rate
        if iterations < 0 or not (rate is None or rate > 0):
            raise InvalidRequest(
                "The refinement needs 0 or more steps and a rate above 0.",
                "80 steps at a rate of 0.02 are the published ones.",
            )
        for rate in (self.source_fps, self.target_fps):
            if rate is not None and not 0 < rate <= 1000:
                raise InvalidRequest(f"{rate!r} is not a frame rate.", "Use 1 to 1000.")
        try:
            convert.check_target_rate(self.target, self.target_fps)
            skeleton_of(self.skeleton)
        except FormatError as error:
            raise InvalidRequest(error.message, error.hint) from error
        return replace(self, file_format=file_format)

    def ik_options(self) -> convert.IkOptions:
        """The options of inverse kinematics."""
        preset = convert.IkOptions.preset(self.ik)
        asked = {
            "method": self.method,
            "iterations": self.refine_iterations,
            "learning_rate": self.learning_rate,
        }
        refinement = replace(preset.refinement or ik.Refinement(), **_given(asked))
        switches = ("floor_align", "foot_align", "hinge_twist", "steady_twist")
        asked = {name: getattr(self, name) for name in switches}
        return replace(
            preset,
            refinement=refinement if refinement.iterations else None,
            offsets_272=skeleton_of(self.skeleton),
            native_bridge=self.bridge == "native",
            **_given(asked),
        )


def _given(asked: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in asked.items() if value is not None}


@functools.lru_cache(maxsize=4)
def skeleton_of(path: str | None) -> np.ndarray | None:
    return None if path is None else skeleton_file.load_offsets(path)

"""What a conversion between representations is made of: clips, reports, options.

A representation is one module of :mod:`backend.motion.representations` with a ``SPEC``. Its
``STEPS`` are its direct ways to and from others; ``stored_joints(x)`` gives its joint positions
``[T, 22, 3]`` (m, Y-up) where it stores them.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import ModuleType

import numpy as np

from ..errors import FormatError
from . import ik, representations
from .representations.spec import RepresentationSpec

FPS = 30.0
"""Rate of motion_135 where nothing else is asked for."""


@dataclass(frozen=True)
class IkOptions:
    """How joints become rotations, and how a conversion goes where there are several ways.

    Attributes:
        refinement: None for the closed form alone.
        mode: initialisation of :func:`backend.motion.ik.initial_rotations`.
        floor_align: put the lowest joint of the clip at y = 0 first.
        foot_align: see :func:`backend.motion.ik.fit`.
        offsets: ``[22, 3]`` skeleton to fit; the neutral one when None. motion_135 holds the
            pelvis, so the row of the pelvis moves nothing.
        offsets_272: ``[22, 3]`` skeleton that MS272's positions are made with; ``offsets`` when
            None. The 272 evaluator has one of its own.
        target_fps: rate of the fitted motion.
        hinge_twist: turn upper arms to their elbows (:mod:`backend.motion.limb_twist`); changes no
            position. The published chain leaves the twist to its solver.
        steady_twist: see :func:`backend.motion.ik.initial_rotations`.
        native_bridge: from 263 to 272 features by the stored rotations, without inverse kinematics.
        ground_frames: where heights are not known (dart276), stand every frame on the ground, not
            the clip; jumps are lost, as in the published chain.
        keep_directions: give a body of other proportions those of SMPL first
            (:mod:`backend.motion.proportions`), so that limbs point where they pointed and feet
            stay where they stood; the published chain comes as near to the positions as it can.
    """

    refinement: ik.Refinement | None = field(default_factory=ik.Refinement)
    mode: str = "bone"
    floor_align: bool = True
    foot_align: bool = True
    offsets: np.ndarray | None = None
    offsets_272: np.ndarray | None = None
    target_fps: float = FPS
    hinge_twist: bool = True
    steady_twist: bool = False
    native_bridge: bool = False
    ground_frames: bool = False
    keep_directions: bool = True

    @classmethod
    def preset(cls, name: str) -> IkOptions:
        """The options of :data:`IK_PRESETS`; :class:`FormatError` for another name."""
        if name not in IK_PRESETS:
            raise FormatError(
                f"There is no preset {name!r} of inverse kinematics.",
                f"Use {' or '.join(IK_PRESETS)}.",
            )
        return IK_PRESETS[name]

    @classmethod
    def of_features(cls, name: str) -> IkOptions:
        """:meth:`preset` for positions that a model made: a seed gives the motion it always gave.

        They are of one known body, near SMPL's, so they are met as closely as can be.
        """
        return replace(cls.preset(name), keep_directions=False)


IK_PRESETS: dict[str, IkOptions] = {
    "clean": IkOptions(),
    "published": IkOptions(
        ik.Refinement(settle=False),
        foot_align=False,
        hinge_twist=False,
        ground_frames=True,
        keep_directions=False,
    ),
}
"""For animation: feet on their floor, elbows as hinges. For metrics: the published chain, which
fits joints more closely (16.1 against 18.0 mm) and is what published tables were made with."""


@dataclass(frozen=True)
class StepReport:
    """One step of a conversion.

    Attributes:
        name: "source -> target".
        loses: what cannot be got back, in words; empty for an exact step.
        error_mm: mean distance between the joints before and after (MPJPE); None for an exact
            step, and where only the file of the body could tell. Place and heading of the whole
            clip do not count, except in inverse kinematics.
    """

    name: str
    loses: str = ""
    error_mm: float | None = None


@dataclass(frozen=True)
class Clip:
    """A clip on its way: its array, its representation, its rate and what happened so far.

    ``warnings`` are for a person: what was assumed or changed when the clip was read. ``checks``
    are the measures of :class:`backend.motion.io.body_checks.BodyChecks` by name.
    """

    data: np.ndarray
    representation: str
    fps: float
    steps: tuple[StepReport, ...] = ()
    warnings: tuple[str, ...] = ()
    checks: Mapping[str, float] = field(default_factory=dict)

    @property
    def lossy_steps(self) -> tuple[StepReport, ...]:
        """The steps that lost something."""
        return tuple(step for step in self.steps if step.loses)

    def to(
        self,
        spec: RepresentationSpec,
        data: np.ndarray,
        loses: str = "",
        error_mm: float | None = None,
        fps: float | None = None,
    ) -> Clip:
        """The clip after one more step.

        Args:
            fps: rate of ``data``; that of ``spec`` when None.
        """
        report = StepReport(f"{self.representation} -> {spec.name}", loses, error_mm)
        rate = spec.fps if fps is None else fps
        return Clip(data, spec.name, rate, (*self.steps, report), self.warnings, self.checks)


Step = Callable[[Clip, IkOptions], Clip]
"""A direct way from one representation to another."""
Steps = dict[tuple[str, str], Step]


@functools.cache
def modules() -> dict[str, ModuleType]:
    """Every representation by name: the modules of its package that have a ``SPEC``."""
    place = representations.__name__
    found = (
        importlib.import_module(f"{place}.{info.name}")
        for info in pkgutil.iter_modules(representations.__path__)
    )
    known = [module for module in found if hasattr(module, "SPEC")]
    return {module.SPEC.name: module for module in known}

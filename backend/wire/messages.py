"""What crosses between add-on and backend: frozen messages, checked where they are made."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np

from ..errors import FormatError, InvalidRequest, KinetypeError, error_class
from . import limits
from .checks import check_number as _check
from .checks import shown as _shown
from .directing import Segment, check_constraints, check_segments, segment_of
from .skeleton import MOTION_DIM, MOTION_FPS

FrameRange = tuple[int, int]
"""Half-open."""
_TASKS = {"edit", "describe", "sample"}
_LEFT_OUT = (
    *("constraints", "segments", "correct"),
    *("quality", "variety", "loop", "in_place", "speed", "amplitude"),
)
"""Fields that older backends do not know: not sent where they ask for nothing."""


def new_id() -> str:
    """A fresh request id."""
    return uuid.uuid4().hex


@dataclass(frozen=True)
class Request:
    """One generation: a prompt and how to sample it.

    ``seconds`` is the length of the motion. Sample ``i`` of ``samples`` uses seed ``seed + i``,
    so that any one of them can be made again alone. ``guidance_scale``, ``steps`` and ``sampler``
    are the model's own defaults when None. ``model`` is a registry name, a directory or a hub id.
    ``ik`` is how joint positions become rotations, where the model makes positions.
    ``cleanup`` applies the default clean-up (foot lock, light smoothing). ``keep_best`` makes all
    ``samples`` and returns only the one with the best scores. ``estimate_length`` leaves the length
    to a model that can estimate it; ``seconds`` is then ignored. ``quality`` stands for guidance,
    steps and sampler of :attr:`.control.ModelInfo.qualities`; what is named beside it wins.
    ``variety`` lets each sample differ by the draws of :mod:`backend.service.finishing`, which also
    brings about ``speed`` (tempo; the length stays), ``amplitude`` (how far limbs go), ``loop``
    (about ``seconds`` long, its end leads into its start) and ``in_place``. ``constraints`` are
    plain JSON objects of poses, hands, feet and paths to reach (:mod:`.directing`), for models that
    can; ``correct`` brings the finished motion to them. ``segments`` are several prompts with their
    times: the prompt may then be empty, and ``seconds`` is theirs. What else can be asked for takes
    the place of a generation, at most one of them, and the prompt may then be empty: ``edit`` makes
    part of a motion anew, ``describe`` says in words what happens, ``sample`` makes motions of a
    named action.
    """

    prompt: str
    seconds: float = limits.DEFAULT_SECONDS
    seed: int = 0
    samples: int = 1
    model: str = limits.DEFAULT_MODEL
    guidance_scale: float | None = None
    steps: int | None = None
    sampler: str | None = None
    ik: str = limits.IK_PRESETS[0]
    cleanup: bool = True
    keep_best: bool = False
    estimate_length: bool = False
    quality: str = "standard"
    variety: bool = False
    loop: bool = False
    in_place: bool = False
    speed: float = 1.0
    amplitude: float = 1.0
    edit: Edit | None = None
    describe: Describe | None = None
    sample: Sample | None = None
    constraints: tuple[Mapping[str, object], ...] = ()
    correct: bool = True
    segments: tuple[Segment, ...] = ()
    id: str = field(default_factory=new_id)

    @property
    def verb(self) -> str:
        """The ability that a model needs for it, a key of :data:`.control.ABILITIES`."""
        if self.edit is not None:
            return self.edit.verb
        if self.describe is not None:
            return "describe"
        return "generate" if self.sample is None else "sample"

    def validated(self) -> Request:
        """This request, its prompt stripped; :class:`InvalidRequest` says what to change.

        With ``segments`` the length is theirs, and so is a prompt that is empty.
        """
        return self._of_segments()._checked() if self.segments else self._checked()

    def _of_segments(self) -> Request:
        check_segments(self.segments)
        if self.estimate_length or self.verb != "generate":
            raise InvalidRequest(
                "Prompts in time are for a new motion of a given length.",
                "Leave out what is edited, described or estimated.",
            )
        told = ", then ".join(segment.prompt.strip() for segment in self.segments)
        prompt = self.prompt.strip() or told[: limits.MAX_PROMPT_CHARS]
        return replace(self, prompt=prompt, seconds=self.segments[-1].end)

    def _checked(self) -> Request:
        prompt = self.prompt.strip() if isinstance(self.prompt, str) else ""
        tasks = [task for task in (self.edit, self.describe, self.sample) if task is not None]
        if len(tasks) > 1:
            raise InvalidRequest(
                "The request asks for two things at once.", "Send a request for each."
            )
        for task in tasks:
            task.check()
        wordless = not any(character.isalnum() for character in prompt)  # of any script
        if wordless and (prompt or not tasks):
            raise InvalidRequest(
                "The prompt has no words." if prompt else "The prompt is empty.",
                "Describe a motion, for example: a person walks forward.",
            )
        if len(prompt) > limits.MAX_PROMPT_CHARS:
            raise InvalidRequest(
                f"The prompt has {len(prompt)} characters; the limit is {limits.MAX_PROMPT_CHARS}.",
                "Describe the motion in one or two sentences.",
            )
        try:
            prompt.encode()
        except UnicodeEncodeError as error:  # half a character: a terminal or file of another code
            raise InvalidRequest(
                "The prompt holds characters that cannot be read.", "Type it as UTF-8 text."
            ) from error
        _check("duration", self.seconds, limits.MIN_SECONDS, limits.MAX_SECONDS, " seconds")
        _check("seed", self.seed, limits.MIN_SEED, limits.MAX_SEED, integer=True)
        _check(
            "number of samples", self.samples, limits.MIN_SAMPLES, limits.MAX_SAMPLES, integer=True
        )
        # the seed of the last sample must be one that a request can name
        _check(
            "seed of the last sample",
            self.seed + self.samples - 1,
            limits.MIN_SEED,
            limits.MAX_SEED,
            integer=True,
        )
        if self.guidance_scale is not None:
            _check("guidance scale", self.guidance_scale, limits.MIN_GUIDANCE, limits.MAX_GUIDANCE)
        if self.steps is not None:
            _check("number of steps", self.steps, limits.MIN_STEPS, limits.MAX_STEPS, integer=True)
        samplers = limits.SAMPLERS if self.sample is None else limits.ACTION_SAMPLERS
        if self.sampler is not None and self.sampler not in samplers:
            raise InvalidRequest(
                f"Unknown sampler {_shown(self.sampler)}.", f"Use one of: {', '.join(samplers)}."
            )
        flags = (
            "cleanup",
            "keep_best",
            "estimate_length",
            "correct",
            "variety",
            "loop",
            "in_place",
        )
        for name in flags:
            if not isinstance(getattr(self, name), bool):
                raise InvalidRequest(f"{name} must be true or false.", "Leave it out for neither.")
        self._check_finish()
        if self.ik not in limits.IK_PRESETS:
            raise InvalidRequest(
                f"Unknown preset of inverse kinematics {_shown(self.ik)}.",
                f"Use one of: {', '.join(limits.IK_PRESETS)}.",
            )
        check_constraints(self.constraints)
        if not isinstance(self.model, str) or not self.model.strip():
            raise InvalidRequest("No model is named.", f"Use {limits.DEFAULT_MODEL!r}.")
        if len(self.model) > limits.MAX_MODEL_CHARS:
            raise InvalidRequest(
                f"The name of the model has {len(self.model)} characters; the limit is "
                f"{limits.MAX_MODEL_CHARS}.",
                "Use a name, folder or hub id of `kinetype models`.",
            )
        return replace(self, prompt=prompt, model=self.model.strip())

    def _check_finish(self) -> None:
        """What is done to the motion once the model made it."""
        _check("speed", self.speed, limits.MIN_SPEED, limits.MAX_SPEED)
        _check("amplitude", self.amplitude, limits.MIN_AMPLITUDE, limits.MAX_AMPLITUDE)
        if self.quality not in limits.QUALITIES:
            raise InvalidRequest(
                f"Unknown quality {_shown(self.quality)}.",
                f"Use one of: {', '.join(limits.QUALITIES)}.",
            )
        plain = self.speed == self.amplitude == 1.0
        if not (self.variety or self.loop or self.in_place) and plain:
            return
        if self.verb != "generate" or self.constraints or self.segments:
            raise InvalidRequest(
                "Variety, loop, in place, speed and amplitude are for motions that a prompt alone "
                "makes.",
                "Leave them out here; the clean-up does the same to a motion that is there.",
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, without the tasks (``codec`` carries those)."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _TASKS}
        values["segments"] = [asdict(segment) for segment in self.segments]
        usual = {f.name: f.default for f in fields(self)} | {"segments": []}
        for name in _LEFT_OUT:
            if values[name] == usual[name]:
                del values[name]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Request:
        """Rebuild from JSON values; unknown or missing keys raise :class:`InvalidRequest`."""
        known = {f.name for f in fields(cls)} - _TASKS
        unknown = sorted(set(values) - known)
        if unknown or "prompt" not in values:
            raise InvalidRequest(
                f"The request has unknown fields {_shown(unknown)}."
                if unknown
                else "The request has no prompt.",
                "Use the same Kinetype version on both sides.",
            )
        if isinstance(values.get("constraints"), list):
            values = {**values, "constraints": tuple(values["constraints"])}
        if isinstance(values.get("segments"), list):
            values = {**values, "segments": tuple(map(segment_of, values["segments"]))}
        return cls(**values)


@dataclass(frozen=True)
class Progress:
    """How far a job is. ``stage`` is a short word for people ("loading model", "sampling")."""

    id: str
    stage: str
    step: int = 0
    total: int = 0


@dataclass(frozen=True)
class Motion:
    """A clip in motion_135.

    Attributes:
        data: ``[T, 135]`` float32, metres, Y-up, facing +Z at rest; columns in ``wire.skeleton``.
        fps: 30 for every Motion that the backend returns.
        meta: plain JSON values that say where it came from: ``prompt``, ``seed``, ``model``,
            ``params`` and whatever else the model reports.
    """

    data: np.ndarray
    fps: float = MOTION_FPS
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        data = np.ascontiguousarray(self.data, dtype=np.float32)
        if data.ndim != 2 or data.shape[1] != MOTION_DIM or len(data) == 0:
            raise FormatError(
                f"A motion must have shape [T, {MOTION_DIM}], not {list(np.shape(self.data))}.",
                "Convert it to motion_135 first.",
            )
        object.__setattr__(self, "data", data)

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.data) / self.fps


@dataclass(frozen=True)
class Edit:
    """A motion, and what of it is made anew: ``joints`` in ``frames``; all else stays as it is.

    With ``more`` all of it stays, and so many frames are made that follow it (fewer by a model that
    decides its own lengths).

    Attributes:
        motion: at any frame rate; the result has its rate and, without ``more``, its length.
        frames: what is made anew: a half-open range, or several in order; None is every frame.
        joints: names of :data:`backend.motion.joint_sets.BODY_PARTS` or joints; () is all of them.
        more: frames to add at the end; as many as the model likes when None.
        middle: make the middle half anew instead, with a model that reads motions.
        restarts: noise levels of further rounds of an edit, each 0 to 1; the default when None.
        greedy: always the likeliest (models that write tokens).
    """

    motion: Motion
    frames: FrameRange | tuple[FrameRange, ...] | None = None
    joints: tuple[str, ...] = ()
    more: int | None = 0
    middle: bool = False
    restarts: tuple[float, ...] | None = None
    greedy: bool = False

    @property
    def verb(self) -> str:
        """See :attr:`Request.verb`."""
        if self.middle:
            return "in_between"
        return "continue" if self.more != 0 else "edit"

    @property
    def ranges(self) -> tuple[FrameRange, ...]:
        """The ranges of ``frames``, of which there may be none."""
        if self.frames is None:
            return ((0, len(self.motion.data)),)
        single = self.frames and isinstance(self.frames[0], int)
        return (self.frames,) if single else self.frames  # type: ignore[return-value]

    def check(self) -> None:
        """:class:`InvalidRequest` says what cannot be edited so."""
        count, more = len(self.motion.data), self.more or 0
        _check("frame rate of the motion", self.motion.fps, 1.0, limits.MAX_FPS)
        _check("number of frames to add", more, 0, limits.MAX_FRAMES_ADDED, integer=True)
        seconds = (count + more) / self.motion.fps
        _check("length of the motion", seconds, 0.0, limits.MAX_SECONDS, " seconds")
        for level in self.restarts or ():
            _check("noise level", level, 0.0, 1.0)
        if not np.isfinite(self.motion.data).all():
            raise InvalidRequest(
                "The motion to edit holds values that are not finite.", "Choose another one."
            )
        partly = self.frames is not None or bool(self.joints)
        if partly + (self.more != 0) + self.middle > 1:
            raise InvalidRequest(
                "An edit makes a part anew or adds frames, not both.", "Do one after the other."
            )
        if self.verb == "edit" and not partly:
            raise InvalidRequest(
                "The edit must keep something of the motion.",
                "Name frames or joints to make anew; to start afresh, generate a motion.",
            )
        for start, end in self.ranges:
            if not 0 <= start < end <= count:
                raise InvalidRequest(
                    f"The frames {start} to {end} do not lie in the motion of {count} frames.",
                    f"Give a range from 0 to {count}, the end above the start.",
                )


@dataclass(frozen=True)
class Features:
    """A clip in any representation, un-normalised.

    Attributes:
        data: ``[T, D]`` float32.
        representation: a name of :data:`backend.motion.convert.SPECS`.
        fps: frames per second.
    """

    data: np.ndarray
    representation: str
    fps: float

    def __post_init__(self) -> None:
        data = np.ascontiguousarray(self.data, dtype=np.float32)
        data = data.reshape(len(data), -1) if data.ndim == 3 else data
        if data.ndim != 2 or not data.size or data.shape[1] > limits.MAX_COLUMNS:
            raise FormatError(
                f"Features must have shape [T, D], not {list(np.shape(self.data))}.",
                f"Give frames of up to {limits.MAX_COLUMNS} columns.",
            )
        object.__setattr__(self, "data", data)


@dataclass(frozen=True)
class Describe:
    """Motions to say in words what happens in; the model may be told how long each is."""

    clips: tuple[Features, ...]
    with_length: bool = False

    def check(self) -> None:
        """:class:`InvalidRequest` says what cannot be described."""
        _check("number of motions", len(self.clips), 1, limits.MAX_SAMPLES, integer=True)
        for clip in self.clips:
            _check("frame rate of the motion", clip.fps, 1.0, limits.MAX_FPS)


@dataclass(frozen=True)
class Sample:
    """Motions of an action, and their joints as the model made them.

    Attributes:
        action: a name (the closest one is taken), or None: of the ``number``.
        number: of the class, or None: for a model that was trained without actions.
        frames: at the model's own rate; the longest that it makes when None.
        rig: also make motion_135 of the joints, which takes a fit for most models.
        names: only tell which actions there are.
    """

    action: str | None = None
    number: int | None = None
    frames: int | None = None
    rig: bool = True
    names: bool = False

    def check(self) -> None:
        """:class:`InvalidRequest` says what cannot be sampled."""
        for name, value in (("number of the action", self.number), ("frames", self.frames)):
            if value is not None:
                _check(name, value, 0, limits.MAX_FRAMES_ADDED, integer=True)


@dataclass(frozen=True)
class Result:
    """A finished job: one motion per sample, and warnings for the person who asked.

    ``texts`` are the answers of a ``describe`` (one a clip), or of a ``sample`` the number and name
    of its action (the names of all, if those were asked for); ``clips`` are its joints at the
    model's own rate.
    """

    id: str
    motions: tuple[Motion, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds_taken: float = 0.0
    texts: tuple[str, ...] = ()
    clips: tuple[Features, ...] = ()


@dataclass(frozen=True)
class Failure:
    """A job that ended without a result; ``code`` names the class in ``backend.errors``."""

    id: str
    code: str
    message: str
    hint: str = ""
    detail: str = ""

    @classmethod
    def from_error(cls, request_id: str, error: KinetypeError) -> Failure:
        """The wire form of an error."""
        return cls(request_id, error.code, error.message, error.hint, error.detail)

    def to_error(self) -> KinetypeError:
        """The error that the other side raised."""
        return error_class(self.code)(self.message, self.hint, self.detail)

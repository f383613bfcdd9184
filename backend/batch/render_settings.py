"""How a job is rendered: what its keys say, checked as far as it can be without Blender."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import InvalidRequest
from .job_file import Value

ENGINES = ("workbench", "cycles", "eevee")
OUTPUTS = ("mp4", "png", "blend")
PICTURES = ("mp4", "png")
MIN_FPS, MAX_FPS = 1.0, 240.0
MIN_SIDE, MAX_SIDE = 16, 8192
MAX_SAMPLES = 65536
MAX_FRAME = 1_048_574
"""Of Blender's scenes."""

Frames = tuple[int, int]


@dataclass(frozen=True)
class RenderSettings:
    """Values of :data:`.job_file.RENDER_KEYS`; None is as in the character's file, or a default.

    Attributes:
        character: absolute path.
        frames: first and last that are rendered.
        outputs: some of :data:`OUTPUTS`.
    """

    character: str | None = None
    armature: str | None = None
    camera: str | None = None
    fps: float | None = None
    width: int | None = None
    height: int | None = None
    engine: str | None = None
    render_samples: int | None = None
    frames: Frames | None = None
    outputs: tuple[str, ...] = ("mp4",)

    @classmethod
    def of(cls, values: Mapping[str, Value]) -> RenderSettings:
        """Of the keys of a job.

        Raises:
            InvalidRequest: a value that cannot be, or a character's file that is not there.
        """
        character = _text(values, "character")
        if character is not None:
            path = Path(character).expanduser().absolute()
            if path.suffix.lower() != ".blend" or not path.is_file():
                raise InvalidRequest(
                    f"There is no .blend file {path}.", "Check the path of the character."
                )
            character = str(path)
        made = cls(
            character,
            _text(values, "armature"),
            _text(values, "camera"),
            _number(values, "fps", MIN_FPS, MAX_FPS),
            _whole(values, "width", MIN_SIDE, MAX_SIDE),
            _whole(values, "height", MIN_SIDE, MAX_SIDE),
            _one_of(values, "engine", ENGINES),
            _whole(values, "render_samples", 1, MAX_SAMPLES),
            _frames(values.get("frames")),
            _outputs(values.get("outputs")),
        )
        alone = [k for k in ("armature", "camera") if getattr(made, k) and not character]
        if alone:
            raise InvalidRequest(
                f"The {alone[0]} belongs to a character's file.", "Name it with 'character'."
            )
        return made

    def to_dict(self) -> dict[str, object]:
        """Plain JSON values."""
        return asdict(self)


def read_frames(text: str) -> Frames:
    """``A-B`` or one number; :class:`InvalidRequest` otherwise."""
    match = re.fullmatch(r"\s*(\d{1,7})\s*(?:-|\.\.|:)?\s*(\d{1,7})?\s*", text)
    if match is not None:
        first, last = int(match[1]), int(match[2] or match[1])
        if 0 <= first <= last <= MAX_FRAME:
            return first, last
    raise InvalidRequest(f"{text!r} is no range of frames.", "Give it like 1-50.")


def _frames(value: Value) -> Frames | None:
    if value is None:
        return None
    if isinstance(value, list) and len(value) == 2:
        return read_frames("-".join(map(str, value)))
    return read_frames(str(value))


def _outputs(value: Value) -> tuple[str, ...]:
    if value is None:
        return RenderSettings.outputs
    words = re.split(r"[\s,;]+", value.strip()) if isinstance(value, str) else value
    if not isinstance(words, list) or not words or not set(map(str, words)) <= set(OUTPUTS):
        raise InvalidRequest(
            f"The outputs {value!r} are not all made here.", f"Choose of {', '.join(OUTPUTS)}."
        )
    return tuple(kind for kind in OUTPUTS if kind in words)


def _text(values: Mapping[str, Value], key: str) -> str | None:
    value = values.get(key)
    if value is None or (isinstance(value, str) and value.strip()):
        return value if value is None else str(value).strip()
    raise InvalidRequest(f"The {key} is {value!r}.", "Give a name.")


def _one_of(values: Mapping[str, Value], key: str, allowed: tuple[str, ...]) -> str | None:
    value = _text(values, key)
    if value is not None and value not in allowed:
        raise InvalidRequest(f"There is no {key} {value!r}.", f"Use {', '.join(allowed)}.")
    return value


def _number(values: Mapping[str, Value], key: str, low: float, high: float) -> float | None:
    value = values.get(key)
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not low <= float(str(value)) <= high:
        raise InvalidRequest(f"The {key} is {value!r}.", f"Choose from {low:g} to {high:g}.")
    return float(str(value))


def _whole(values: Mapping[str, Value], key: str, low: int, high: int) -> int | None:
    value = _number(values, key, low, high)
    if value is not None and value != int(value):
        raise InvalidRequest(f"The {key} is {value:g}.", "Give a whole number.")
    return None if value is None else int(value)

"""What every pipeline does alike: its networks, the arguments of a call, and its answer."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any, TypeVar

import torch
from torch import nn

from ..diffusion.loop import StepCallback
from ..errors import InvalidRequest
from ..wire import limits
from ..wire.messages import Progress, Request

Network = TypeVar("Network", bound=nn.Module)
FRAMES_AT_ONCE = {"cpu": 32 * 196, "other": 128 * 196}
"""Frames of one network call by kind of device: more gain no speed and take memory."""
_QUOTED = 60
"""Characters of a prompt that a warning quotes."""


# ------------------------------------------------------------------ networks


def device_or_best(device: str | torch.device | None) -> torch.device:
    """The device asked for; the GPU where torch has one, else the CPU, when None.

    Raises:
        InvalidRequest: a device that torch does not know or that is not there.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.zeros(1, device=device).device
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        raise InvalidRequest(
            f"The device {str(device)!r} is not available here.",
            "Use 'cpu', or leave the device to Kinetype.",
            str(error),
        ) from error


_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def precision_of(name: str) -> torch.dtype:
    """The dtype of that name; :class:`InvalidRequest` for an unknown one."""
    if name not in _DTYPES:
        raise InvalidRequest(f"Unknown precision {name!r}.", f"Use {' or '.join(_DTYPES)}.")
    return _DTYPES[name]


def frozen(net: Network, device: torch.device) -> Network:
    """The network on its device, ready to infer: evaluation mode, no gradients."""
    return net.to(device).eval().requires_grad_(False)


PRECISIONS = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def precision_name(wanted: str, further: Sequence[str] = ()) -> str:
    """ "float32", "bfloat16" or "float16", also by its short name, or one of ``further``.

    Raises:
        InvalidRequest: another one.
    """
    name = PRECISIONS.get(wanted, wanted)
    if name not in (*PRECISIONS.values(), *further):
        raise InvalidRequest(
            f"Unknown precision {wanted!r}.",
            f"Use one of: {', '.join([*PRECISIONS, *PRECISIONS.values(), *further])}.",
        )
    return name


# ------------------------------------------------------------------ arguments

_OLD_NAMES = {
    **dict.fromkeys(("guidance_param", "cond_scale", "guidance"), "guidance_scale"),
    **dict.fromkeys(("timesteps", "time_steps", "num_inference_steps"), "steps"),
}


def named_settings(
    guidance_scale: float | None, steps: int | None, old: dict[str, Any]
) -> tuple[float | None, int | None]:
    """Guidance and steps, also by the names that each family's authors gave them.

    Args:
        old: further keyword arguments of a call.

    Raises:
        TypeError: one that no family has, or the same setting twice, as for any function.
    """
    found = {"guidance_scale": guidance_scale, "steps": steps}
    for name, value in old.items():
        new = _OLD_NAMES.get(name)
        if new is None:
            raise TypeError(f"unexpected keyword argument {name!r}")
        if value is not None:
            if found[new] is not None:
                raise TypeError(f"{name!r} and {new!r} are the same setting")
            found[new] = value
    return found["guidance_scale"], found["steps"]  # type: ignore[return-value]


def check_one_each(
    asked: Sequence[Any], lengths: Sequence[Any] | None, what: str = "captions"
) -> None:
    """Raise :class:`InvalidRequest` unless this is a list with a length for each entry.

    Args:
        lengths: None where the model decides.
        what: name of the entries, for the message.
    """
    if isinstance(asked, str):
        raise InvalidRequest(f"The {what} are one text.", "Give a list of texts.")
    if lengths is not None and len(asked) != len(lengths):
        raise InvalidRequest(f"{len(asked)} {what} but {len(lengths)} lengths.", "Give one each.")


def check_texts(captions: Sequence[Any]) -> None:
    """Raise :class:`InvalidRequest` unless these are texts."""
    for index, caption in enumerate(captions):
        if not isinstance(caption, str):
            raise InvalidRequest(
                f"Caption {index} is {type(caption).__name__}, not a text.", "Give a list of texts."
            )


def check_frames(frames: int, shortest: int, longest: int, *, fps: float, model: str) -> None:
    """Raise :class:`InvalidRequest` for a length that a model cannot make; all but fps in frames.

    Args:
        model: its name, for the message.
    """
    if not shortest <= frames <= longest:
        raise InvalidRequest(
            f"The model {model!r} cannot make {frames / fps:g} seconds "
            f"({frames} frames at {fps:g} fps).",
            f"Choose from {shortest / fps:g} to {longest / fps:g} seconds "
            f"({shortest} to {longest} frames).",
        )


def checked_guidance(scale: float) -> float:
    """The guidance scale; :class:`InvalidRequest` unless it is within what requests may ask for."""
    if not isinstance(scale, Real):
        raise InvalidRequest(f"The guidance is {scale!r}, no number.", "Give a number.")
    if not (math.isfinite(scale) and limits.MIN_GUIDANCE <= scale <= limits.MAX_GUIDANCE):
        raise InvalidRequest(
            f"The guidance is {scale:g}.",
            f"Choose from {limits.MIN_GUIDANCE:g} to {limits.MAX_GUIDANCE:g}.",
        )
    return float(scale)


def drawn_seed(seed: int | None) -> int:
    """The seed, or one that nobody chose; :class:`InvalidRequest` where it is none."""
    if seed is None:
        return secrets.randbelow(limits.MAX_SEED)
    whole = isinstance(seed, Integral) and not isinstance(seed, bool)
    if not whole or not limits.MIN_SEED <= seed <= limits.MAX_SEED:
        raise InvalidRequest(
            f"The seed is {str(seed)[:20]}{'…' if len(str(seed)) > 20 else ''}.",
            f"Choose a whole number from {limits.MIN_SEED} to {limits.MAX_SEED}.",
        )
    return int(seed)


def frames_at_once(device: torch.device) -> int:
    """:data:`FRAMES_AT_ONCE` of a device."""
    return FRAMES_AT_ONCE.get(device.type, FRAMES_AT_ONCE["other"])


def chunks_of_like_length(
    lengths: Sequence[int], size: int | None = None, frames: int | None = None
) -> list[list[int]]:
    """Row numbers in groups: neighbours of like length waste little padding.

    Args:
        size: rows of a group at most.
        frames: of a group at most, its padding included; a single row may have more.
    """
    chunks: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        count = len(chunks[-1]) + 1 if chunks else 0
        # the last one is the longest, to which the others are padded
        full = (size and count > size) or (frames and count * lengths[row] > frames)
        if not chunks or full:
            chunks.append([])
        chunks[-1].append(row)
    return chunks


# ------------------------------------------------------------------ progress


class Stages:
    """Tells who asked for a motion how far it is."""

    def __init__(self, request: Request, on_step: Callable[[Progress], None] | None) -> None:
        self._id = request.id
        self._on_step = on_step

    def __call__(self, stage: str, done: int = 0, total: int = 0) -> None:
        """Report a stage by its short name; the receiver may raise ``Cancelled``."""
        if self._on_step is not None:
            self._on_step(Progress(self._id, stage, done, total))

    def steps(self, stage: str = "sampling") -> StepCallback:
        """What a sampler calls at every step of a stage."""
        return lambda done, total: self(stage, done, total)


def part_of(on_step: StepCallback | None, index: int, count: int) -> StepCallback | None:
    """Progress of one of ``count`` equal runs as progress of all."""
    if on_step is None:
        return None
    return lambda done, total: on_step(index * total + done, count * total)


# ------------------------------------------------------------------ answers


def cut_warning(prompt: str) -> str:
    """The warning for a prompt that is longer than what the model reads."""
    return f"Only the beginning of the prompt was read: “{prompt[:_QUOTED]}…”."


def meta_of(
    request: Request,
    seed: int,
    params: dict[str, Any],
    *,
    warnings: Sequence[str] = (),
    **more: Any,
) -> dict[str, Any]:
    """What a pipeline tells of a motion made for a request; the engine adds whose it is.

    Args:
        seed: of this sample.
        params: settings that it was made with.
        more: what only this kind of model tells.
    """
    return {
        "prompt": request.prompt,
        "seed": seed,
        "params": params,
        **more,
        "warnings": list(warnings),
    }

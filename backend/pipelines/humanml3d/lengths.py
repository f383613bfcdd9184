"""Lengths that models of HumanML3D features were trained on: 40 to 196 frames, in steps of 4."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ...errors import InvalidRequest
from ...motion.representations.hml263 import SPEC
from ...wire import limits
from .output import FIT_SECONDS

MIN_FRAMES, MAX_FRAMES, FRAME_STEP = 40, 196, 4


def trained_length(frames: int, fps: float = SPEC.fps) -> int:
    """A length that MDM was trained on: a multiple of 4 from 40 to 196.

    Raises:
        InvalidRequest: not a whole number from 1 to a minute's frames.
    """
    longest = round(limits.MAX_SECONDS * fps)
    whole = isinstance(frames, int | np.integer) and not isinstance(frames, bool)
    if not whole or not 1 <= frames <= longest:
        raise InvalidRequest(
            f"A clip cannot have {frames!r} frames.",
            f"Give a whole number from 1 to {longest}; it is brought into {MIN_FRAMES} to "
            f"{MAX_FRAMES}, the lengths the model was trained on.",
        )
    return max(MIN_FRAMES, min(MAX_FRAMES, int(frames) // FRAME_STEP * FRAME_STEP))


def request_length(seconds: float, model: str, fps: float = SPEC.fps) -> int:
    """Frames to sample for a request: the next multiple of 4; the surplus is cut off afterwards.

    Args:
        model: its name, for the message.

    Raises:
        InvalidRequest: shorter or longer than the model was trained for.
    """
    if not MIN_FRAMES <= seconds * fps <= MAX_FRAMES + FIT_SECONDS * fps:
        raise InvalidRequest(
            f"The model {model!r} cannot make {seconds:g} seconds.",
            f"Choose from {MIN_FRAMES / fps:g} to {MAX_FRAMES / fps:g} seconds.",
        )
    return min(math.ceil(round(seconds * fps, 6) / FRAME_STEP) * FRAME_STEP, MAX_FRAMES)


def valid_frames(lengths: Sequence[int], device: torch.device) -> Tensor:
    """``[B, 1, 1, longest]`` bool, True on real frames, as ``y["mask"]`` of MDM."""
    frame = torch.arange(max(lengths), device=device)
    valid = frame < torch.tensor(list(lengths), device=device)[:, None]
    return valid[:, None, None, :]

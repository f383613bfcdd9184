"""The last step of Kimodo: features to motion_135 with what is to be told about them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...motion.kimodo_body import to_motion135
from ...motion.representations import kimodo as features_of
from ...motion.representations.kimodo_skeletons import KimodoSkeleton
from ...wire.messages import Motion, Request
from ...wire.skeleton import MOTION_FPS
from .sampling import KimodoOptions


def params_of(request: Request, options: KimodoOptions) -> dict[str, object]:
    """The settings that a motion was made with, for its meta."""
    return {
        "seconds": request.seconds,
        **used_of(options),
    }


def used_of(options: KimodoOptions) -> dict[str, object]:
    """The settings by the names that every family has for them."""
    return {
        "steps": options.steps,
        "sampler": options.sampler,
        "guidance_scale": options.text,
        "constraint_scale": options.constraint,
    }


def motion_of(features: np.ndarray, bones: KimodoSkeleton, meta: Mapping[str, object]) -> Motion:
    """motion_135 of un-normalised features ``[T, dim]``.

    ``meta`` is completed by the error of the change of skeleton (``retarget_error_mm``, mean over
    joints and frames).
    """
    motion = features_of.decode(features, bones)
    data, error = to_motion135(motion.world, motion.root, bones)
    note = {**meta, "retarget_error_mm": round(1000.0 * error, 1)}
    return Motion(data, MOTION_FPS, note)

"""The last step of every HumanML3D-263 model: features to motion_135."""

from __future__ import annotations

import numpy as np

from ...errors import InternalError, InvalidRequest
from ...motion import convert
from ...motion.representations import hml263, motion135
from ...wire.messages import Request
from ...wire.skeleton import MOTION_FPS, SOLE_HEIGHT

LOSS_NOTE = "ik_error_mm"
"""Key of ``Motion.meta``: mean joint distance between the model's joints and the rig's, mm."""
FIT_SECONDS = 0.25
"""A clip this close to the asked length is held or cut to it: models count in units of frames."""


def check_skeleton(
    width: int,
    model: str,
    hint: str = "Use a HumanML3D model; infer_t2m gives the features themselves.",
) -> None:
    """Raise :class:`InvalidRequest` for features of another width: KIT-ML's have fewer joints.

    Args:
        model: its name, for the message.
    """
    if width != hml263.SPEC.dim:
        raise InvalidRequest(
            f"The model {model!r} makes KIT-ML features of another skeleton.", hint
        )


def rigged(features: np.ndarray, request: Request) -> tuple[np.ndarray, dict[str, object]]:
    """A clip of a model as motion_135 at 30 fps.

    Joints are recovered from the stored positions and fitted by inverse kinematics
    (:func:`backend.motion.convert.joints_to_motion135`) as ``request.ik`` says, on the ground of
    the neutral body. A clip that differs much from ``request.seconds``, because its model decides
    the length, keeps its own and says so among its warnings.

    Args:
        features: ``[T, 263]`` un-normalised at 20 fps.

    Returns:
        ``[T', 135]`` and a note: the IK error under :data:`LOSS_NOTE`, and ``warnings``.

    Raises:
        InternalError: the clip is not finite.
    """
    if not np.isfinite(features).all():
        raise InternalError(
            "The model made a motion that is not finite.",
            "Try another seed, or a smaller guidance scale.",
        )
    points = convert.hml263_to_joints(features)
    options = convert.IkOptions.of_features(request.ik)
    data, error = convert.joints_to_motion135(points, hml263.SPEC.fps, MOTION_FPS, options)
    data[:, motion135.SPEC.columns("root_translation")] += (0.0, SOLE_HEIGHT, 0.0)
    warnings = []
    frames = max(1, round(request.seconds * MOTION_FPS))
    if abs(len(data) - frames) <= FIT_SECONDS * MOTION_FPS:
        data = data[np.minimum(np.arange(frames), len(data) - 1)]
    else:
        warnings.append(
            f"The model made {len(data) / MOTION_FPS:.1f} s instead of {request.seconds:g} s."
        )
    note = {LOSS_NOTE: round(float(error.mean()), 2), "ik": request.ik}
    return data, {**note, "warnings": warnings}

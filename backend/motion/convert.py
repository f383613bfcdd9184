"""From any representation to any other, by named steps that say what they lose.

Every array is plain numpy at the native frame rate of its representation, except joints and
motion_135, whose rate is an argument. Routes are found over the direct steps in :data:`STEPS`.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Collection
from dataclasses import replace

import numpy as np

from ..errors import FormatError
from . import ik, limb_twist, native_bridge, proportions, resample, steps
from .position_error import joint_positions, mpjpe_mm
from .representations import hml263, joints, motion135, ms272, smpl85, smplrifke205
from .representations.spec import RepresentationSpec
from .skeleton import forward_kinematics, pelvis_at_root
from .steps import IK_PRESETS, Clip, IkOptions, Step, StepReport, Steps

__all__ = [
    "IK_PRESETS",
    "SPECS",
    "STEPS",
    "Clip",
    "IkOptions",
    "Step",
    "StepReport",
    "convert",
    "hml263_to_joints",
    "hml263_to_motion135",
    "hml263_to_motion272",
    "joints_to_motion135",
    "motion135_to_hml263",
    "motion135_to_motion272",
    "motion272_to_hml263",
    "motion272_to_motion135",
    "route",
]

SPECS: dict[str, RepresentationSpec] = {name: m.SPEC for name, m in steps.modules().items()}
"""Every representation by name."""


FREE_RATE: tuple[str, ...] = ("motion135", "joints")
"""Representations that exist at any frame rate."""


# --------------------------------------------------------------------------- direct conversions


def hml263_to_joints(x: np.ndarray) -> np.ndarray:
    """``[T, 263]`` to joints ``[T, 22, 3]`` at 20 fps, from the stored positions."""
    return hml263.decode_joints(x)


def joints_to_motion135(
    points: np.ndarray,
    source_fps: float = hml263.SPEC.fps,
    target_fps: float = motion135.SPEC.fps,
    options: IkOptions | None = None,
    *,
    frames: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Joints to motion_135 by inverse kinematics ("IK refine-80" with the default options).

    Frames are resampled on the end-aligned grid, as published.

    Args:
        points: ``[T, 22, 3]`` at ``source_fps``.
        frames: T'; the frames at ``target_fps`` are then stretched to so many.

    Returns:
        motion_135 ``[T', 135]`` (pelvis positions, float32) and the MPJPE of each frame in mm.
    """
    options = options or IkOptions()
    points = joints.as_joints(points).astype(np.float64)
    if source_fps != target_fps:
        grid = resample.end_aligned_grid(len(points), source_fps, target_fps)
        points = resample.linear(points, grid)
    if frames is not None and frames != len(points):
        points = resample.linear(points, np.linspace(0.0, len(points) - 1.0, frames))
    if options.keep_directions and options.offsets is None:
        points = proportions.at_smpl_proportions(points)
    if options.floor_align:
        points = points - [0.0, points[..., 1].min(), 0.0]
    [fitted] = ik.fit(
        points,
        options.offsets,
        mode=options.mode,
        refinement=options.refinement,
        foot_align=options.foot_align,
        steady_twist=options.steady_twist,
    )
    rotations = fitted.local_rotations
    if options.hinge_twist:
        rotations = limb_twist.hinge_twist(rotations, options.offsets)
    return motion135.pack(fitted.joints[:, 0], rotations).astype(np.float32), fitted.error_mm


def hml263_to_motion135(
    x: np.ndarray,
    target_fps: float = motion135.SPEC.fps,
    options: IkOptions | None = None,
) -> np.ndarray:
    """``[T, 263]`` at 20 fps to motion_135 at ``target_fps`` through joints and IK."""
    return joints_to_motion135(hml263_to_joints(x), hml263.SPEC.fps, target_fps, options)[0]


def motion135_to_motion272(
    x: np.ndarray, fps: float = motion135.SPEC.fps, offsets: np.ndarray | None = None
) -> np.ndarray:
    """motion_135 at ``fps`` to MS272 ``[T', 272]`` at 30 fps (float32), with FK on ``offsets``.

    A constant offset of the translation makes no difference. The first frame's heading is lost.
    """
    x = resample.resample_motion135(motion135.SPEC.check(x), fps, ms272.SPEC.fps)
    root, rotations = motion135.unpack(x.astype(np.float64))
    points = forward_kinematics(rotations, root, offsets)
    return ms272.encode(points, rotations).astype(np.float32)


def motion272_to_motion135(x: np.ndarray) -> np.ndarray:
    """MS272 ``[T, 272]`` to motion_135 at 30 fps from the stored rotations, without IK."""
    rotations, root = ms272.decode(x)
    return motion135.pack(root, rotations).astype(np.float32)


def hml263_to_motion272(x: np.ndarray, options: IkOptions | None = None) -> np.ndarray:
    """``[T, 263]`` at 20 fps to MS272 at 30 fps: joints, IK and FK, or the native bridge."""
    options = options or IkOptions()
    if options.native_bridge:
        return native_bridge.hml263_to_motion272(x, _offsets_272(options))
    fitted = hml263_to_motion135(x, options=options)
    return motion135_to_motion272(fitted, offsets=_offsets_272(options))


def _offsets_272(options: IkOptions) -> np.ndarray | None:
    return options.offsets if options.offsets_272 is None else options.offsets_272


def motion135_to_hml263(x: np.ndarray, fps: float = motion135.SPEC.fps) -> np.ndarray:
    """motion_135 at ``fps`` to ``[T'-1, 263]`` at 20 fps (float32)."""
    slow = resample.resample_motion135(motion135.SPEC.check(x), fps, hml263.SPEC.fps)
    return hml263.encode(motion135.joints(slow.astype(np.float64))).astype(np.float32)


def motion272_to_hml263(x: np.ndarray, fps: float = ms272.SPEC.fps) -> np.ndarray:
    """MS272 at ``fps`` to ``[T', 263]`` at 20 fps from the stored positions ("phase" grid)."""
    points = ms272.decode_joints(x)
    grid = resample.phase_grid(len(points), fps, hml263.SPEC.fps)
    return hml263.encode(resample.linear(points, grid)).astype(np.float32)


# --------------------------------------------------------------------------- routes


def _motion135_from_joints(clip: Clip, options: IkOptions) -> Clip:
    fps = options.target_fps
    data, error = joints_to_motion135(clip.data, clip.fps, fps, options)
    lost = "bone lengths; twist is not in positions"
    return clip.to(SPECS["motion135"], data, lost, float(error.mean()), fps)


def _joints_from_motion135(clip: Clip, options: IkOptions) -> Clip:
    points = motion135.joints(clip.data, pelvis_at_root(options.offsets))
    return clip.to(SPECS["joints"], points, "rotations", fps=clip.fps)


def _ms272_from_motion135(clip: Clip, options: IkOptions) -> Clip:
    data = motion135_to_motion272(clip.data, clip.fps, _offsets_272(options))
    return clip.to(SPECS["ms272"], data, "heading and place of the first frame")


def _hml263_from_joints(clip: Clip, options: IkOptions) -> Clip:
    points = joints.as_joints(clip.data).astype(np.float64)
    grid = resample.phase_grid(len(points), clip.fps, hml263.SPEC.fps)
    slow = resample.linear(points, grid)
    error = np.linalg.norm(_rooted(hml263.uniform_skeleton(slow)) - _rooted(slow), axis=-1)
    lost = "bone lengths, heading and place of the first frame, the last pose"
    data = hml263.encode(slow).astype(np.float32)
    return clip.to(SPECS["hml263"], data, lost, 1000.0 * float(error.mean()))


def _rooted(points: np.ndarray) -> np.ndarray:
    return points - points[:, :1]


def _from_smplrifke205(clip: Clip) -> np.ndarray:
    # frames of another rate than 20 fps are sampled so much more or less densely
    dense = smplrifke205.SPEC.fps / clip.fps
    return smplrifke205.to_motion135(clip.data, motion135.SPEC.fps * dense)


def _smpl85_to_motion135(clip: Clip, options: IkOptions) -> Clip:
    lost = "body shape" if np.any(smpl85.unpack(clip.data)[2]) else ""
    return clip.to(SPECS["motion135"], smpl85.to_motion135(clip.data), lost, fps=clip.fps)


def _smpl85_from_motion135(clip: Clip, options: IkOptions) -> Clip:
    data = resample.resample_motion135(clip.data, clip.fps, smpl85.SPEC.fps)
    root, rotations = motion135.unpack(data)
    return clip.to(
        SPECS["smpl85"], smpl85.pack(rotations, root), _between(clip.fps, smpl85.SPEC.fps)
    )


def _between(fps: float, target_fps: float) -> str:
    """What a change of rate loses."""
    return "" if fps == target_fps else f"frames between {target_fps:g} fps"


STEPS: Steps = {
    ("hml263", "joints"): lambda c, o: c.to(SPECS["joints"], hml263_to_joints(c.data), fps=c.fps),
    ("joints", "hml263"): _hml263_from_joints,
    ("joints", "motion135"): _motion135_from_joints,
    ("motion135", "joints"): _joints_from_motion135,
    ("motion135", "ms272"): _ms272_from_motion135,
    ("ms272", "motion135"): lambda c, o: c.to(
        SPECS["motion135"],
        motion272_to_motion135(c.data),
        "the stored positions' bone lengths",
        fps=c.fps,
    ),
    ("ms272", "hml263"): lambda c, o: c.to(
        SPECS["hml263"], motion272_to_hml263(c.data, c.fps), "rotations, bone lengths, frames"
    ),
    ("ms272", "joints"): lambda c, o: c.to(
        SPECS["joints"], ms272.decode_joints(c.data), "rotations", fps=c.fps
    ),
    ("motion135", "smplrifke205"): lambda c, o: c.to(
        SPECS["smplrifke205"],
        smplrifke205.from_motion135(c.data, c.fps),
        "heading and place of the first frame, frames between 20 fps",
    ),
    ("smplrifke205", "motion135"): lambda c, o: c.to(
        SPECS["motion135"], _from_smplrifke205(c), "the stored joint positions"
    ),
    ("smpl85", "motion135"): _smpl85_to_motion135,
    ("motion135", "smpl85"): _smpl85_from_motion135,
}
"""The direct steps, (source, target) -> function of a clip and the IK options."""
for _module in steps.modules().values():
    STEPS |= getattr(_module, "STEPS", {})


def _natively(clip: Clip, options: IkOptions) -> Clip:
    data = native_bridge.hml263_to_motion272(clip.data, _offsets_272(options))
    return clip.to(SPECS["ms272"], data, "heading and place of the first frame, bone directions")


_NATIVE: Steps = {("hml263", "ms272"): _natively}


def route(source: str, target: str, known: Collection[tuple[str, str]] = STEPS) -> tuple[str, ...]:
    """Representations on the shortest way from ``source`` to ``target``, both included.

    Args:
        known: pairs with a direct step.

    Raises:
        FormatError: an unknown representation, or one that nothing leads to.
    """
    for name in (source, target):
        if name not in SPECS:
            raise FormatError(
                f"There is no representation {name!r}.", f"Use one of: {', '.join(sorted(SPECS))}."
            )
    came: dict[str, str] = {source: source}
    queue = deque([source])
    while queue:
        here = queue.popleft()
        for a, b in known:
            if a == here and b not in came:
                came[b] = here
                queue.append(b)
    if target not in came:
        raise FormatError(
            f"{target} can be read, but not made of {source}.",
            f"Use one of: {', '.join(sorted(came))}.",
        )
    way = [target]
    while way[-1] != source:
        way.append(came[way[-1]])
    return tuple(reversed(way))


def convert(
    x: np.ndarray,
    source: str,
    target: str,
    *,
    fps: float | None = None,
    target_fps: float | None = None,
    options: IkOptions | None = None,
) -> Clip:
    """Convert an array and report every step.

    Args:
        x: ``[T, dim]`` un-normalised (joints also ``[T, 22, 3]``).
        source, target: names in :data:`SPECS`.
        fps: rate of ``x`` when it is not the native one of ``source``.
        target_fps: rate of the result, for motion_135 (30 when omitted) and joints (as they come);
            every other representation has one rate.
        options: how joints become rotations, where the route needs that.

    Returns:
        The converted clip; ``lossy_steps`` says what was lost on the way and how far joints moved.

    Raises:
        FormatError: unknown names, wrong shape, too few frames, values that are not finite, a
            target rate that the target cannot have.
    """
    options = options or IkOptions()
    ways = STEPS | _NATIVE if options.native_bridge else STEPS
    way = route(source, target, ways)
    check_target_rate(target, target_fps)
    data = joints.as_joints(x) if source == "joints" else SPECS[source].check(x)
    clip = Clip(data, source, SPECS[source].fps if fps is None else fps)
    if target == "motion135":
        target_fps = motion135.SPEC.fps if target_fps is None else target_fps
        options = replace(options, target_fps=target_fps)
    for here, there in itertools.pairwise(way):
        clip = _measured(clip, ways[here, there](clip, options), options.offsets)
    if target_fps is None or target_fps == clip.fps:
        return clip
    return _measured(clip, _at_rate(clip, target_fps), options.offsets)


def _measured(before: Clip, after: Clip, offsets: np.ndarray | None) -> Clip:
    """``after`` with the error of its last step, where that loses something and does not say it."""
    *others, last = after.steps or (StepReport(""),)
    if not last.loses or last.error_mm is not None:
        return after
    if before.representation == smpl85.SPEC.name:  # the joints of a shape need the body's file
        return after
    points = (joint_positions(c.data, c.representation, offsets) for c in (before, after))
    error = mpjpe_mm(next(points), before.fps, next(points), after.fps)
    return replace(after, steps=(*others, replace(last, error_mm=error)))


def check_target_rate(target: str, target_fps: float | None) -> None:
    """:class:`FormatError` when ``target`` cannot have frames at ``target_fps``."""
    if target_fps is None or target in FREE_RATE:
        return
    if target_fps != SPECS[target].fps:
        raise FormatError(
            f"{target} is defined at {SPECS[target].fps:g} fps, not {target_fps:g}.",
            f"Leave the target rate out, or convert to {' or '.join(FREE_RATE)}.",
        )


def _at_rate(clip: Clip, fps: float) -> Clip:
    if clip.representation == "motion135":
        data = resample.resample_motion135(clip.data, clip.fps, fps)
    else:
        points = joints.as_joints(clip.data)
        data = resample.linear(points, resample.phase_grid(len(points), clip.fps, fps))
    return clip.to(SPECS[clip.representation], data, _between(clip.fps, fps), fps=fps)

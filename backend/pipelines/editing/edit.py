"""Editing a motion with a model: in-betweening and body-part editing by masked sampling.

The motion is encoded into the model's representation; what is kept is held there at every denoising
step, the prompt decides the rest. On the way back, kept frames and kept joints are the motion's own
data, bit for bit; only the rest comes from the model, and is joined to them in pose and speed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ...diffusion.inpaint import Inpainting
from ...diffusion.loop import StepCallback
from ...errors import InvalidRequest
from ...motion import cleanup, seams
from ...motion.contacts import ground_height
from ...motion.directing import Path, Pose, Target
from ...motion.joint_sets import joint_mask
from ...motion.representations import motion135
from ...motion.rotations import transpose
from ...motion.skeleton import JOINT_NAMES, PARENTS, global_rotations, joint_index
from ...store.model_folder import Stats
from ...wire.messages import Motion, Request
from ...wire.skeleton import SOLE_HEIGHT
from ..calls import drawn_seed
from .guide import guide_of, laid_on
from .prompt_parts import split_prompt
from .spaces import EditSpace, kept_rows

FrameRange = tuple[int, int]
PELVIS = joint_index("pelvis")

RESTARTS = (0.9, 0.6)
"""Where an edit is noised to and denoised again (see ``diffusion.inpaint``)."""
SAMPLER = "ddpm"
"""Fresh noise at every step lets the new part follow the kept one; DDIM settles too early."""


@dataclass(frozen=True)
class EditSampling:
    """How an edit is sampled; the model's own setting where None."""

    seed: int
    guidance_scale: float | None = None
    steps: int | None = None
    sampler: str | None = None
    on_step: StepCallback | None = None
    shares: tuple[float, ...] | None = None
    """Of the time that each part of the prompt has; equal ones when None."""


class EditingModel(Protocol):
    """What a pipeline offers for editing."""

    edit_space: EditSpace
    stats: Stats

    @property
    def edit_seconds(self) -> tuple[float, float]:
        """The shortest clip that it makes well, and the longest that it edits."""

    def used(
        self, guidance_scale: float | None, steps: int | None, sampler: str | None
    ) -> dict[str, Any]:
        """What these settings are for this model, its own ones filled in."""

    def sample_edit(
        self, parts: Sequence[str], frames: int, known: Inpainting, how: EditSampling
    ) -> tuple[Tensor, Tensor]:
        """One sample ``[1, frames, D]`` around what is known, and the last raw prediction."""


@dataclass(frozen=True)
class Kept:
    """What an edit leaves alone: whole frames ``[T]`` bool, and joints ``[22]`` bool throughout."""

    frames: np.ndarray
    joints: np.ndarray

    @property
    def both(self) -> np.ndarray:
        """``[T, 22]`` bool: this joint is kept in this frame."""
        return self.frames[:, None] | self.joints[None]


def select(
    frames: int,
    keep_frames: Iterable[FrameRange] = (),
    keep_joints: str | Iterable[str] = (),
) -> Kept:
    """Check and combine what shall be kept of a clip of ``frames`` frames.

    Args:
        keep_frames: half-open ranges ``(start, end)`` in frames of the clip.
        keep_joints: parts and joints of :mod:`backend.motion.joint_sets`.

    Raises:
        InvalidRequest: a range outside the clip, an unknown joint, nothing kept or nothing left.
    """
    kept = np.zeros(frames, dtype=bool)
    for start, end in keep_frames:
        if not 0 <= start < end <= frames:
            raise InvalidRequest(
                f"The frames {start} to {end} do not lie in the clip of {frames} frames.",
                f"Give ranges from 0 to {frames}, the end above the start.",
            )
        kept[start:end] = True
    joints = joint_mask(keep_joints)
    if not kept.any() and not joints.any():
        raise InvalidRequest(
            "An edit must keep something of the motion.",
            "Name frames to keep, or joints; to start afresh, generate a new motion.",
        )
    if kept.all() or joints.all():
        raise InvalidRequest("The edit keeps everything.", "Keep fewer frames or joints.")
    return Kept(kept, joints)


def _selected(
    data: np.ndarray,
    keep_frames: Iterable[FrameRange],
    keep_joints: str | Iterable[str],
    targets: Sequence[Target],
) -> tuple[np.ndarray, Kept]:
    """The motion with the poses that are asked for, and what is kept of it."""
    ranges = list(keep_frames)
    joints = keep_joints if isinstance(keep_joints, str) else list(keep_joints)
    if not targets:
        return data, select(len(data), ranges, joints)
    if joints:
        raise InvalidRequest(
            "Constraints are for whole frames that are made anew.",
            "Keep frames, or leave the constraints out.",
        )
    given = select(len(data), ranges) if ranges else None
    kept = np.zeros(len(data), dtype=bool) if given is None else given.frames
    posed, data = kept.copy(), data.copy()
    for target in targets:
        if isinstance(target, Pose):
            free = ~kept[target.frames]
            rows = target.frames[free]
            data[rows] = motion135.pack(target.root, target.rotations)[free]
            posed[rows] = True
    if posed.all():
        raise InvalidRequest("The constraints give every pose.", "Leave some frames to the model.")
    return data, Kept(posed, np.zeros(len(JOINT_NAMES), dtype=bool))


def edit(
    model: EditingModel,
    motion: Motion,
    prompt: str,
    *,
    keep_frames: Iterable[FrameRange] = (),
    keep_joints: str | Iterable[str] = (),
    seed: int | None = None,
    guidance_scale: float | None = None,
    steps: int | None = None,
    sampler: str | None = None,
    restarts: Sequence[float] = RESTARTS,
    blend_seconds: float = seams.BLEND_SECONDS,
    foot_lock: bool = True,
    targets: Sequence[Target] = (),
    floor: float | None = None,
    parts: Sequence[tuple[str, float]] = (),
    on_step: StepCallback | None = None,
) -> Motion:
    """Make part of a motion anew.

    Args:
        motion: motion_135 at any frame rate; the result has its length and rate.
        prompt: what the person does in the whole clip; empty lets the kept part alone decide.
        keep_frames: half-open frame ranges that stay; the rest is filled in.
        keep_joints: "lower", "upper" or any names of :mod:`backend.motion.joint_sets` that stay in
            every frame. Keeping the pelvis keeps the path through the room.
        seed: drawn at random when None.
        guidance_scale, steps: the model's own when None.
        sampler: :data:`SAMPLER` when None.
        restarts: see :class:`backend.diffusion.inpaint.Inpainting`.
        blend_seconds: see :func:`backend.motion.seams.join`.
        foot_lock: keep standing feet of filled frames in place (when the pelvis is not kept).
        targets: what the new frames shall reach, in frames of the motion; poses are kept as if they
            were its own. Nothing else need be kept then.
        floor: its height (m); what is kept tells when None.
        parts: what happens in turn, each with its share of the time; read from the prompt when
            empty.
        on_step: ``on_step(done, total)``; it may raise ``Cancelled``.

    Returns:
        The edited motion. Kept frames, and the rotations of kept joints, equal those of ``motion``
        exactly; a kept joint whose parent is made anew moves with the parent. ``meta["edit"]``
        tells what was kept.

    Raises:
        InvalidRequest: see :func:`select`, or a length or setting that the model does not have.
        FormatError: the motion is not finite or too short.
    """
    data = motion135.check_rotations(motion.data)
    data, kept = _selected(data, keep_frames, keep_joints, targets)
    seed = drawn_seed(seed)
    prompt = prompt.strip()
    Request(
        prompt=prompt or "nothing asked",
        seconds=len(data) / motion.fps,
        seed=seed,
        guidance_scale=guidance_scale,
        steps=steps,
        sampler=sampler,
    ).validated()
    space = model.edit_space
    ground = ground_under(data, kept) if floor is None else floor
    reference = space.encode(_on_ground(data, ground), motion.fps)
    rows = kept_rows(kept.frames, motion.fps, space.fps, len(reference))
    mask = space.mask(rows, kept.joints)
    known = Inpainting(
        torch.from_numpy(mask)[None],
        model.stats.normalise(torch.from_numpy(reference).float())[None],
        _meeting(model, _on_ground(data, ground), motion.fps, reference, rows, kept, targets),
        tuple(restarts),
    )
    how = EditSampling(
        seed,
        guidance_scale if prompt else 0.0,
        steps,
        sampler or SAMPLER,
        on_step,
        tuple(share for _, share in parts) or None,
    )
    texts = [text for text, _ in parts] or (split_prompt(prompt) if prompt else [""])
    sample, raw = model.sample_edit(texts, len(reference), known, how)
    made = space.decode(
        _features(model.stats, sample), _features(model.stats, raw), motion.fps, len(data)
    )
    made[0][:, 1] += ground
    if space.fitted:
        made = _in_given_frames(made, motion135.unpack(data.astype(np.float64)), kept)
    result = assemble(data, made, kept, motion.fps, blend_seconds, foot_lock)
    if not kept.frames.any() and targets:
        result = _settled(result, targets, ground, motion.fps)
    meta = {
        **origin_of(motion),
        "prompt": prompt,
        "seed": seed,
        "params": {
            "seconds": round(len(data) / motion.fps, 3),
            **model.used(how.guidance_scale, how.steps, how.sampler),
        },
        "edit": _note(kept, motion),
    }
    return Motion(result, motion.fps, meta)


def origin_of(motion: Motion) -> dict[str, object]:
    """What the meta of a changed motion takes over of the given one: the file it came from."""
    return {name: motion.meta[name] for name in ("source",) if name in motion.meta}


def before(motion: Motion) -> dict[str, Any]:
    """What a changed motion tells of the given one, whose settings and licence are not its own."""
    told = ("prompt", "seed", "model", "licence")
    return {name: motion.meta[name] for name in told if name in motion.meta}


def _note(kept: Kept, motion: Motion) -> dict[str, object]:
    ranges = [list(r) for r in seams.kept_stretches(kept.frames)]
    joints = [name for name, keep in zip(JOINT_NAMES, kept.joints, strict=True) if keep]
    return {"kept_frames": ranges, "kept_joints": joints, "before": before(motion)}


# --------------------------------------------------------------------------- to the model


def ground_under(data: np.ndarray, kept: Kept) -> float:
    """Height of the ground under what is kept: frames that go must not move it."""
    lowest = motion135.joints(data.astype(np.float64))[..., 1].min(axis=1)
    used = lowest[kept.frames] if kept.frames.any() else lowest
    return float(used.min()) - SOLE_HEIGHT


def _on_ground(data: np.ndarray, ground: float) -> np.ndarray:
    out = data.astype(np.float64)
    out[:, 1] -= ground
    return out


def _settled(x: np.ndarray, targets: Sequence[Target], floor: float, fps: float) -> np.ndarray:
    """A motion of which nothing was kept, on its floor and laid on its path."""
    out = cleanup.ground(x, fps)
    out[:, 1] += floor
    path = next((each for each in targets if isinstance(each, Path)), None)
    return out if path is None else laid_on(out, path)


def _features(stats: Stats, x: Tensor) -> np.ndarray:
    return stats.denormalise(x[0]).double().cpu().numpy()


def _meeting(
    model: EditingModel,
    data: np.ndarray,
    fps: float,
    reference: np.ndarray,
    rows: np.ndarray,
    kept: Kept,
    targets: Sequence[Target],
) -> Callable[[Tensor], Tensor] | None:
    """The condition that a walk through a gap arrives where the motion goes on, and is led."""
    if kept.joints[PELVIS]:
        return None
    space, stats = model.edit_space, model.stats
    guide = guide_of(space, data, rows, space.path(reference), targets, fps)
    if not guide:
        return None

    def constrain(x0: Tensor) -> Tensor:
        x = guide(_features(stats, x0))
        return stats.normalise(torch.from_numpy(x).to(x0.device)).to(x0.dtype)[None]

    return constrain


# --------------------------------------------------------------------------- back to the motion


def assemble(
    data: np.ndarray,
    made: tuple[np.ndarray, np.ndarray],
    kept: Kept,
    fps: float,
    blend_seconds: float,
    foot_lock: bool,
) -> np.ndarray:
    """The motion with what is not kept taken from ``made``, joined at the seams.

    Args:
        data: ``[T, 135]``; what is kept of it comes back as it is.
        made: root ``[T, 3]`` and rotations ``[T, 22, 3, 3]`` on the ground of ``data``, in any
            place and heading.
        foot_lock: keep standing feet of what is made in place.
    """
    given = tuple(a.astype(np.float64) for a in motion135.unpack(data))
    made = _with_kept_joints(made, given, kept)
    out = _joined(given, made, kept, fps, blend_seconds)
    if foot_lock and not kept.joints[PELVIS]:
        packed = motion135.pack(*out)
        ground = ground_height(motion135.joints(packed))
        packed = cleanup.smooth(_on_ground(packed, ground), cleanup.DEFAULT_SMOOTHING, fps)
        locked = motion135.unpack(_on_ground(cleanup.lock_feet(packed, fps=fps), -ground))
        # the lock moved the kept frames too: they go back, and the rest follows them smoothly
        locked = _with_kept_joints(locked, given, kept)
        out = _joined(given, locked, kept, fps, blend_seconds, place=False)
    result = motion135.pack(*out).astype(np.float32)
    return _exact(result, data, kept)


def _in_given_frames(
    made: tuple[np.ndarray, np.ndarray], given: tuple[np.ndarray, np.ndarray], kept: Kept
) -> tuple[np.ndarray, np.ndarray]:
    """Rotations of new joints below kept ones, so that they keep their direction in the room.

    A fitted parent differs from the given one in twist, which the child must not inherit.
    """
    root, own = made[0], made[1].copy()
    if kept.joints[PELVIS]:
        own[:, 0] = seams.facing_like(own[:, 0], given[1][:, 0])
    out = own.copy()
    out[:, kept.joints] = given[1][:, kept.joints]
    before = global_rotations(own)
    for joint, parent in enumerate(PARENTS):
        if parent >= 0 and kept.joints[parent] and not kept.joints[joint]:
            after = global_rotations(out)[:, parent]
            out[:, joint] = transpose(after) @ before[:, parent] @ own[:, joint]
    return root, out


def _with_kept_joints(
    made: tuple[np.ndarray, np.ndarray],
    given: tuple[np.ndarray, ...],
    kept: Kept,
) -> tuple[np.ndarray, np.ndarray]:
    root, rotations = made[0].copy(), made[1].copy()
    rotations[:, kept.joints] = given[1][:, kept.joints]
    if kept.joints[PELVIS]:
        root = given[0].copy()
    return root, rotations


def _joined(
    given: tuple[np.ndarray, ...],
    made: tuple[np.ndarray, np.ndarray],
    kept: Kept,
    fps: float,
    blend_seconds: float,
    place: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    root, rotations = given[0].copy(), given[1].copy()
    for gap in seams.gaps(kept.frames):
        here = made
        if place and not kept.joints[PELVIS]:
            here = seams.place(made, (given[0], given[1]), gap)
        part = slice(*gap)
        root[part], rotations[part] = seams.join(
            here, (given[0], given[1]), gap, kept.frames, blend_seconds * fps
        )
    return root, rotations


def _exact(result: np.ndarray, data: np.ndarray, kept: Kept) -> np.ndarray:
    """Kept numbers as they came: matrices and back would round them."""
    own = np.concatenate([kept.both[:, :1].repeat(3, 1), np.repeat(kept.both, 6, axis=1)], axis=1)
    return np.where(own, data.astype(np.float32), result)

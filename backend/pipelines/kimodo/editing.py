"""Edits with Kimodo: gaps of a motion are made anew between poses that it is told to keep."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...diffusion.loop import StepCallback
from ...motion import seams
from ...motion.directing import Target
from ...motion.kimodo_body import from_motion135, to_motion135
from ...motion.representations import kimodo as features_of
from ...motion.representations import motion135
from ...motion.resample import resample_motion135
from ...wire.messages import Motion
from ...wire.skeleton import MOTION_FPS
from ..calls import drawn_seed, part_of
from ..editing.edit import FrameRange, assemble, before, ground_under, origin_of, select
from .constraint_file import check_joints, of_targets

if TYPE_CHECKING:
    from .pipeline import KimodoPipeline


def edit(
    model: KimodoPipeline,
    motion: Motion,
    prompt: str,
    *,
    keep_frames: Iterable[FrameRange] = (),
    keep_joints: Sequence[str] = (),
    seed: int | None = None,
    guidance_scale: float | None = None,
    steps: int | None = None,
    sampler: str | None = None,
    restarts: Sequence[float] = (),
    blend_seconds: float = seams.BLEND_SECONDS,
    foot_lock: bool = True,
    targets: Sequence[Target] = (),
    on_step: StepCallback | None = None,
) -> Motion:
    """Make gaps of a motion anew; arguments and result as :func:`..editing.edit.edit`.

    ``restarts`` are of masked sampling and count for nothing here.

    Raises:
        InvalidRequest: joints that are to be kept, a gap that the model cannot fill.
    """
    check_joints(keep_joints)
    data = motion135.check_rotations(motion.data)
    kept, seed, prompt = select(len(data), keep_frames), drawn_seed(seed), prompt.strip()
    options = model.settings(guidance_scale if prompt else 0.0, steps, sampler)
    ground = ground_under(data, kept)
    standing = data.astype(np.float64)
    standing[:, 1] -= ground
    rate = MOTION_FPS / motion.fps
    world, root = from_motion135(resample_motion135(standing, motion.fps, MOTION_FPS), model.bones)
    features = features_of.encode(model.bones.local(world), root, model.bones)
    known = of_targets(targets, model.bones, rate)
    gaps = seams.gaps(kept.frames)
    for number, gap in enumerate(gaps):
        first, last = (min(round(frame * rate), len(features)) for frame in gap)
        features = model.remake(
            features,
            (min(first, len(features) - 1), max(last, first + 1)),
            prompt,
            seed=seed + number,
            constraints=known,
            options=options,
            on_step=part_of(on_step, number, len(gaps)),
        )
    decoded = model.decode(features)
    made, _ = to_motion135(decoded.world, decoded.root, model.bones)
    made = resample_motion135(made.astype(np.float64), MOTION_FPS, motion.fps, len(data))
    made[:, 1] += ground
    result = assemble(data, motion135.unpack(made), kept, motion.fps, blend_seconds, foot_lock)
    ranges = [list(r) for r in seams.kept_stretches(kept.frames)]
    note: dict[str, Any] = {"kept_frames": ranges, "kept_joints": [], "before": before(motion)}
    params = {"seconds": round(len(data) / motion.fps, 3), **model.used_of(options)}
    meta = {**origin_of(motion), "prompt": prompt, "seed": seed, "params": params, "edit": note}
    return Motion(result, motion.fps, {**meta, "licence": model.licence})

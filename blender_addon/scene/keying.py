"""A result becomes a take: keyed as it is, as an edit of an Action, or as it was directed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import bpy
import numpy as np

from ..backend_access import Motion, load_motion, retarget
from . import action as actions
from . import compat
from .directed import DIRECTED_KEY, Direction, Wanted
from .keeping import KeptKeys
from .places import Space
from .turns import Turns


@dataclass(frozen=True)
class Keying:
    """How results are keyed.

    Attributes:
        feet, twists, hands: see :func:`actions.apply_motion`.
        played: see :class:`.reading.Performance`.
        wanted: the constraints of the request.
    """

    scene: bpy.types.Scene
    start_frame: int
    feet: float = 0.0
    twists: bool = False
    played: bool = False
    wanted: Sequence[Mapping[str, Any]] = ()
    direction: Direction | None = None
    hands: float = 0.0


def keyed(
    armature: bpy.types.Object, motion: Motion, source: bpy.types.Action | None, how: Keying
) -> Turns[bpy.types.Action]:
    """A new take; an edit, or a motion that is blended in, becomes a copy of ``source``.

    What was asked of the motion is met on the armature, too, and the take tells what is missing. In
    turns: the take is written in the last one.

    Raises:
        As :func:`actions.apply_motion`.
    """
    fps = actions.scene_fps(how.scene)
    first, offset, blend = how.start_frame, 0, False
    if source is not None and how.direction is not None:
        into = how.direction.into
        blend = into is not None and math.isclose(into.fps, fps, rel_tol=1e-5)
        if into is not None and blend:
            first = min(how.direction.first, how.start_frame)
            offset = how.start_frame - first
            motion = _within(into, motion, how.start_frame - how.direction.first, source)
        else:  # the scene has another rate than when it was read
            source = None
    kept: KeptKeys | None = None
    report: list[dict[str, Any]] = []
    keeps = source is not None and not how.played and bool(_kept_frames(motion, first))
    wants_met = bool(how.wanted) and (source is None or blend)

    def shape(body: retarget.Body, pose: retarget.Pose) -> retarget.Pose:
        # reads the scene: in the turn that writes
        nonlocal kept
        if keeps:
            compat.assign_action(armature, source)
            kept = KeptKeys(armature, _kept_frames(motion, first), first)
            pose = kept.shaped(body, pose, fps)
        if wants_met:
            space = Space(armature, how.scene)
            count = _made(motion, len(pose.turns), blend=blend)
            own = slice(offset, offset + count)
            wants = Wanted(space, how.wanted, how.direction, count, fps)
            made = wants.shaped(body, retarget.Pose(pose.turns[own], pose.places[own]))
            report[:] = wants.measured(made)
            turns, places = pose.turns.copy(), pose.places.copy()
            turns[own], places[own] = made.turns, made.places
            pose = retarget.Pose(turns, places)
        return pose

    shaping = shape if keeps or wants_met else actions.as_it_is
    if source is None:
        take = yield from actions.applied(
            armature,
            motion,
            scene=how.scene,
            start_frame=first,
            feet=how.feet,
            here=not how.wanted,
            twists=how.twists,
            hands=how.hands,
            shape=shaping,
        )
    else:
        take = yield from actions.edited(
            armature,
            motion,
            source,
            scene=how.scene,
            start_frame=first,
            played=how.played,
            feet=how.feet,
            shape=shaping,
        )
    with actions.whole(take):
        if kept is not None:
            kept.restore(compat.fcurves_of(take))
        if report:
            meta = {**motion.meta, DIRECTED_KEY: report}
            actions.describe(take, meta, armature, actions.scene_fps(how.scene))
    return take


def _kept_frames(motion: Motion, first: int) -> list[int]:
    """Frames of the scene that an edit leaves as they are."""
    note = motion.meta.get("edit")
    ranges = note.get("kept_frames", ()) if isinstance(note, dict) else ()
    return [first + row for start, end in ranges for row in range(start, end)]


def _made(motion: Motion, rows: int, *, blend: bool) -> int:
    """How many rows are the motion's own."""
    return int(motion.meta["edit"]["made"]) if blend else rows


def _within(into: Motion, motion: Motion, start: int, source: bpy.types.Action) -> Motion:
    """A motion put into another one, ``start`` rows after that one's start (or before it)."""
    made = load_motion("resample").resample_motion135(motion.data, motion.fps, into.fps)
    before, after = into.data[: max(start, 0)], into.data[max(start + len(made), 0) :]
    data = np.concatenate([before, made, after])
    ranges = [[0, len(before)], [len(before) + len(made), len(data)]]
    note = {
        "kept_frames": [[start, end] for start, end in ranges if end > start],
        "kept_joints": [],
        "made": len(made),
    }
    origin = actions.read_description(source) or {}
    note["before"] = {name: origin[name] for name in ("prompt", "seed") if name in origin}
    return replace(motion, data=data, fps=into.fps, meta={**motion.meta, "edit": note})

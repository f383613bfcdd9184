"""From what a person wants of a character to what a request asks for, read once at the click."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import bpy
import numpy as np

from . import directing
from .backend_access import MOTION_FPS, InvalidRequest, limits
from .backend_access import directing as wire
from .scene import places, posing, reading
from .scene.action import scene_fps
from .scene.directed import Direction

_ROUND = 5
"""Decimals of what is sent: hundredths of a millimetre."""
_LISTED = re.compile(r"(-?\d{1,7})(?:\s*(?:-|–|to)\s*(-?\d{1,7}))?")
"""A frame, or the first and last of a range."""


@dataclass(frozen=True, eq=False)
class Plan:
    """What a request asks for besides the settings of the panel.

    Attributes:
        start_frame: of the first key. seconds: of the whole motion.
        segments: prompts in time; none for the one prompt of the panel.
        constraints: of the wire, in the motion's space and rate.
    """

    start_frame: int
    seconds: float
    segments: tuple[wire.Segment, ...]
    constraints: tuple[dict[str, Any], ...]
    direction: Direction


@dataclass
class _Draft:
    """A plan while it is made."""

    armature: bpy.types.Object
    scene: bpy.types.Scene
    space: places.Space
    first: int
    rows: int
    constraints: list[dict[str, Any]] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    uids: list[str] = field(default_factory=list)
    poses: dict[int, tuple[int, posing.KeptPose]] = field(default_factory=dict)

    @property
    def fps(self) -> float:
        return scene_fps(self.scene)

    @property
    def last(self) -> int:
        """The last frame of the motion in the scene."""
        return self.first + round((self.rows - 1) / MOTION_FPS * self.fps)

    def row_of(self, frame: int) -> int:
        return min(max(round((frame - self.first) / self.fps * MOTION_FPS), 0), self.rows - 1)

    def add(
        self, constraint: dict[str, Any], title: str, uid: str = "", strength: float = 1.0
    ) -> None:
        if strength < 1.0:
            constraint["strength"] = round(float(strength), 3)
        self.constraints.append(constraint)
        self.titles.append(title)
        self.uids.append(uid)

    def add_pose(
        self, pose: posing.KeptPose, frame: int, title: str, uid: str = "", strength: float = 1.0
    ) -> None:
        self.poses[len(self.constraints)] = (frame - self.first, pose)
        rows = [np.round(pose.row, _ROUND).tolist()]
        constraint = {"type": wire.POSE, "frame_indices": [self.row_of(frame)], "motion135": rows}
        self.add(constraint, title, uid, strength)


def plan(armature: bpy.types.Object, scene: bpy.types.Scene, seconds: float) -> Plan:
    """What is wanted of a character.

    Args:
        seconds: of a motion of one prompt.

    Raises:
        InvalidRequest: a wish that cannot be read, or lies outside of the motion; no Action to
            begin with or to blend into.
        ArmatureError: the character cannot take a motion.
    """
    wants = directing.of(armature)
    fps = scene_fps(scene)
    parts = prompts_of(wants, fps) if wants.use_prompts else []
    first = wants.first
    if parts:
        first, seconds = parts[0][0], parts[-1][1].end
    if wants.begin == "ACTION" and not parts and not wants.blend:
        first = _action_of(armature)[1]
    rows = max(1, round(seconds * MOTION_FPS))
    draft = _Draft(armature, scene, places.Space(armature, scene), first, rows)
    for wish in directing.wishes_of(wants):
        _READERS[wish.kind](draft, wish)
    _add_ends(draft, wants)
    direction = Direction(tuple(draft.titles), tuple(draft.uids), draft.poses)
    segments = tuple(segment for _, segment in parts)
    return Plan(first, seconds, segments, tuple(draft.constraints), direction)


def prompts_of(wants: directing.KinetypeDirecting, fps: float) -> list[tuple[int, wire.Segment]]:
    """The prompts in time with the frames on which they begin; each ends where the next begins.

    Raises:
        InvalidRequest: there are none, or they are too many or too long.
    """
    if not len(wants.prompts):
        raise InvalidRequest(
            "Several Prompts is on, but the list is empty.",
            "Add prompts, or turn it off to use the prompt above.",
        )
    found = sorted(wants.prompts[: limits.MAX_SEGMENTS], key=lambda prompt: prompt.start)
    first = found[0].start
    parts = []
    for number, prompt in enumerate(found):
        length = prompt.length
        if number + 1 < len(found):
            length = min(length, found[number + 1].start - prompt.start)
        start, seconds = (prompt.start - first) / fps, length / fps
        said = prompt.prompt.strip()[: limits.MAX_PROMPT_CHARS]
        parts.append(
            (prompt.start, wire.Segment(said, start, seconds, round(prompt.transition, 3)))
        )
    wire.check_segments([segment for _, segment in parts])
    return parts


def kept_frames(
    armature: bpy.types.Object, wants: directing.KinetypeDirecting, first: int, last: int
) -> list[int]:
    """The frames of the active Action, keyed from ``first`` to ``last``, that stay as they are.

    Raises:
        InvalidRequest: no frames are named, or the list cannot be read.
    """
    if wants.keep == "LIST":
        found = listed_frames(wants.kept)
    else:
        found = reading.keyed_frames(armature, selected=wants.keep == "SELECTED")
    inside = sorted(frame for frame in found if first <= frame <= last)
    if not inside:
        raise InvalidRequest(
            {
                "LIST": f"The list names no frame from {first} to {last}.",
                "SELECTED": "No key of the bones is selected.",
                "KEYED": "The bones have no keys.",
            }[wants.keep],
            "Select keys in the Timeline or Dope Sheet, or write the frames to keep.",
        )
    return inside


def listed_frames(text: str) -> set[int]:
    """Frames of a text like ``1, 20-24, 60``; :class:`InvalidRequest` for others."""
    found: set[int] = set()
    for part in text[:4000].replace(";", ",").split(","):
        word = part.strip()
        if not word:
            continue
        ends = _LISTED.fullmatch(word)
        if ends is None:
            raise InvalidRequest(
                f"{word[:40]!r} is no frame.", "Write frames and ranges, for example: 1, 20-24, 60."
            )
        start = int(ends[1])
        end = int(ends[2] or start)
        if not 0 <= end - start <= limits.MAX_FRAMES_ADDED:
            raise InvalidRequest(
                f"The range {word[:40]} ends before it begins, or is too long.",
                "Write the smaller frame first.",
            )
        found.update(range(start, end + 1))
    return found


def made_anew(kept: Sequence[int], first: int, last: int) -> tuple[tuple[int, int], ...]:
    """Half-open ranges, counted from ``first``, of the frames that are not kept.

    Raises:
        InvalidRequest: nothing is left to make.
    """
    anew = np.ones(last - first + 1, bool)
    anew[np.array(kept) - first] = False
    edges = np.flatnonzero(np.diff(np.concatenate([[False], anew, [False]]).astype(int)))
    if not len(edges):
        raise InvalidRequest(
            f"All {last - first + 1} frames have keys that stay, so nothing is left to make.",
            "Select the keys to keep, or write the frames.",
        )
    return tuple((int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True))


# --------------------------------------------------------------------------- wishes


def _pose(draft: _Draft, wish: directing.KinetypeWish) -> None:
    title = directing.title_of(wish)
    _check_inside(draft, title, wish.frame, wish.frame)
    draft.add_pose(directing.pose_of(wish.pose), wish.frame, title, wish.uid, wish.strength)


def _pin(draft: _Draft, wish: directing.KinetypeWish) -> None:
    title, goal = directing.title_of(wish), wish.goal
    if goal is None or not goal.users_scene:
        raise InvalidRequest(
            f"{title}: there is no object to pin to.", "Choose one, or delete the pin."
        )
    start, end = _rows(draft, title, wish)
    frames = [draft.first + row / MOTION_FPS * draft.fps for row in range(start, end)]
    found = draft.space.to_motion(places.places_of(goal, draft.scene, frames))
    if np.ptp(found, axis=0).max() < 1e-6:
        found = found[:1]
    where = np.round(found, _ROUND).tolist()
    constraint = {"type": wish.limb, "frame_ranges": [[start, end]], "positions": where}
    draft.add(constraint, title, wish.uid, wish.strength)


def _path(draft: _Draft, wish: directing.KinetypeWish) -> None:
    title, curve = directing.title_of(wish), wish.curve
    if curve is None or not curve.users_scene:
        raise InvalidRequest(
            f"{title}: there is no curve to follow.", "Choose one, or delete the path."
        )
    start, end = _rows(draft, title, wish)
    line = draft.space.metre * places.curve_points(curve)
    times = np.arange(end - start) / MOTION_FPS
    whole = places.length_of(line)
    if wish.own_speed:
        distances = np.minimum(times * wish.speed, whole)
    else:
        distances = whole * times / max(times[-1], 1.0 / MOTION_FPS)
    where, ways = places.along(line, distances)
    ground = draft.space.to_motion(where / draft.space.metre)
    constraint = {
        "type": wire.PATH,
        "frame_indices": list(range(start, end)),
        "smooth_root_2d": np.round(ground[:, [0, 2]], _ROUND).tolist(),
    }
    if wish.facing == "WAY":
        turned = draft.space.ways_to_motion(ways)
        constraint["global_root_heading"] = np.round(places.headings(turned), _ROUND).tolist()
    elif wish.facing == "FIXED":
        constraint["global_root_heading"] = [round(float(wish.heading), _ROUND)] * (end - start)
    draft.add(constraint, title, wish.uid, wish.strength)


_READERS = {"POSE": _pose, "PIN": _pin, "PATH": _path}


def _rows(draft: _Draft, title: str, wish: directing.KinetypeWish) -> tuple[int, int]:
    """Half-open rows of the motion that a wish is about."""
    if wish.last < wish.frame:
        raise InvalidRequest(f"{title} ends before it begins.", "Choose a later last frame.")
    _check_inside(draft, title, max(wish.frame, draft.first), min(wish.last, draft.last))
    return draft.row_of(wish.frame), draft.row_of(wish.last) + 1


def _check_inside(draft: _Draft, title: str, first: int, last: int) -> None:
    if first > last or first < draft.first or last > draft.last:
        raise InvalidRequest(
            f"{title} is not within the motion, which goes from frame {draft.first} to "
            f"{draft.last}.",
            "Move it, change the length of the motion, or turn it off.",
        )


# --------------------------------------------------------------------------- how it begins and ends


def _add_ends(draft: _Draft, wants: directing.KinetypeDirecting) -> None:
    """Poses of the first and, in an Action that goes on, of the last frame."""
    if wants.blend:
        first, last = _action_of(draft.armature)
        if first <= draft.first <= last:
            draft.add_pose(_pose_at(draft, draft.first), draft.first, "Action at the start")
        if first <= draft.last < last:
            draft.add_pose(_pose_at(draft, draft.last), draft.last, "Action at the end")
        if draft.last < first or draft.first > last:
            raise InvalidRequest(
                f"The new frames, {draft.first} to {draft.last}, do not touch the Action, which "
                f"has keys from {first} to {last}.",
                "Begin within it, or turn off Blend into Action.",
            )
    elif wants.begin == "STANDS":
        draft.add_pose(posing.Shown(draft.armature).pose(), draft.first, "Start pose")
    elif wants.begin == "ACTION":
        end = _action_of(draft.armature)[1]
        draft.add_pose(_pose_at(draft, end), draft.first, "Start pose")


def _action_of(armature: bpy.types.Object) -> tuple[int, int]:
    frames = reading.frames_of(armature)
    if frames is None:
        raise InvalidRequest(
            f"{armature.name!r} has no Action to begin with or to blend into.",
            "Put a take on it, or let the motion begin freely.",
        )
    return frames


def _pose_at(draft: _Draft, frame: int) -> posing.KeptPose:
    scene = draft.scene
    now, part = scene.frame_current, scene.frame_subframe
    scene.frame_set(frame)
    try:
        return posing.Shown(draft.armature).pose()
    finally:
        scene.frame_set(now, subframe=part)

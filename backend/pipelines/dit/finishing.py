"""What prompts ask for and no network does exactly: done to the finished motion.

Gestures are laid over walks, limbs are held or swung further, tempi, counts, distances and circles
are brought to what was asked. Everything here works on motion_135 at 30 fps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...motion import limb_motion, pathing, repetitions
from ...motion.layering import layered
from ...motion.representations import motion135
from ...motion.timing import FASTEST, SLOWEST, retimed
from ...text.prompts.reading import PartReading
from ...text.prompts.traits import traits
from ...wire.skeleton import MOTION_FPS
from .script import Scene, Script

WATCHED = {
    "arms": ("left_wrist", "right_wrist"),
    "head": ("head",),
}
FULL_TURN = 6.0
"""Turns from here on (rad) are circles, which are bent to what was asked."""


@dataclass(frozen=True)
class Stretch:
    """A scene with the frames of the finished motion that it has, and those that it is to show."""

    scene: Scene
    start: int
    stop: int
    shown: int


def stretches(script: Script, made: int, shown: int) -> list[Stretch]:
    """The scenes of a script in frames of a motion of ``made`` frames that is to show ``shown``."""
    whole, out = script.frames_made, sum(scene.shown for scene in script.scenes)
    found, start, end = [], 0, 0
    done_made, done_out = 0, 0
    for scene in script.scenes:
        done_made += scene.made
        done_out += scene.shown
        stop, until = round(done_made * made / whole), round(done_out * shown / out)
        found.append(Stretch(scene, start, stop, until - end))
        start, end = stop, until
    return found


def finished(
    script: Script, layers: Sequence[np.ndarray], frames: int
) -> tuple[np.ndarray, list[str]]:
    """One motion of ``frames`` frames from the canvases of a script, and what fell short.

    Args:
        layers: motion_135 of the base canvas and of each layer over it, of equal length.

    Returns:
        motion_135 ``[frames, 135]`` and notes for the person who asked.
    """
    x = layers[0]
    found = stretches(script, len(x), frames)
    for stretch in found:
        for number, (_, limbs) in enumerate(stretch.scene.over, start=1):
            x = layered(x, layers[number], limbs, start=stretch.start, stop=stretch.stop)
        x = _limbs(x, stretch)
        x = _path(x, stretch)
    notes: list[str] = []
    if len(found) == 1:
        x, notes = _counted(x, found[0].scene)
        return _fitted(x, frames, found[0].scene), [*notes, *_missed(x, found[0].scene)]
    x = retimed(x, [(s.stop - s.start, s.shown) for s in found])
    return x, notes


# ---------------------------------------------------------------------------- limbs and path


def _limbs(x: np.ndarray, stretch: Stretch) -> np.ndarray:
    """Limbs that are to be still, and gestures that are to be big or small."""
    part = stretch.scene.part
    moving = [part, *(p for p, _ in stretch.scene.over)]
    span = {"start": stretch.start, "stop": stretch.stop}
    still = [
        limb for p in moving for limb in p.still if limb in limb_motion.LIMBS and limb != "legs"
    ]
    if still:
        x = layered(x, limb_motion.held(x, still), still, **span)
    for one in moving:
        size = one.amounts.size
        if size == 1.0:
            continue
        if one.label in ("jump", "jump_forward", "hop", "jump_turn"):
            x = limb_motion.higher(x, size)
            continue
        limbs = _sized(one)
        if limbs:
            piece = x[stretch.start : stretch.stop]
            scaled = x.copy()
            scaled[stretch.start : stretch.stop] = limb_motion.scaled(piece, limbs, size)
            x = layered(x, scaled, limbs, **span)
    return x


def _sized(part: PartReading) -> tuple[str, ...]:
    """The limbs whose movement makes an action big or small; none where that would slide feet."""
    kinds = traits()
    if part.label in kinds.head:
        return ("head",)
    if part.label in ("bow", "bend_over"):
        return ("spine", "head")
    return ("arms",) if part.label in kinds.arms else ()


def _path(x: np.ndarray, stretch: Stretch) -> np.ndarray:
    """Travel on the spot, and circles."""
    part = stretch.scene.part
    if part.label not in traits().travel:
        return x
    if part.amounts.spot:
        x = pathing.kept_in_place(x, stretch.start, stretch.stop)
    turn = part.amounts.turn
    if turn is not None and abs(turn) >= FULL_TURN and not part.amounts.spot:
        piece = x[stretch.start : stretch.stop]
        bent = pathing.bent(piece, turn - pathing.turned(piece))
        pieces = [p for p in (x[: stretch.start], bent, x[stretch.stop :]) if len(p)]
        x = pathing.laid_on_each_other(pieces)
    metres = part.amounts.metres
    if metres is not None and stretch.start == 0:
        piece = pathing.stretched(x[: stretch.stop], metres)
        x = pathing.laid_on_each_other([p for p in (piece, x[stretch.stop :]) if len(p)])
    return x


# ---------------------------------------------------------------------------- counts and length


def _counted(x: np.ndarray, scene: Scene) -> tuple[np.ndarray, list[str]]:
    """The asked number of repetitions, where the movement repeats at all."""
    part = scene.part
    wanted = part.amounts.count
    if wanted is None or part.label in traits().travel | traits().posture:
        return x, []
    watched = _watched(part)
    x = repetitions.with_count(x, wanted, MOTION_FPS, watched)
    shows = repetitions.count(x, MOTION_FPS, watched)
    if shows == wanted:
        return x, []
    return x, [f"{wanted} times were asked for; the motion shows {shows}."]


def _watched(part: PartReading) -> tuple[str, ...]:
    kinds = traits()
    if part.label in kinds.arms:
        left, right = part.sides
        if left != right:
            return ("left_wrist",) if left else ("right_wrist",)
        return WATCHED["arms"]
    if part.label in kinds.head:
        return WATCHED["head"]
    return repetitions.WATCHED


def _fitted(x: np.ndarray, frames: int, scene: Scene) -> np.ndarray:
    """A single scene at the length asked for: by its tempo, and the last pose held if too short."""
    part = scene.part
    natural = round(len(x) / part.amounts.speed)
    if part.amounts.count is None or abs(natural - frames) <= 2:
        target = frames
    else:
        target = int(np.clip(natural, frames * 0.4, frames))
    tempo = np.clip(len(x) / target, SLOWEST, FASTEST)
    x = retimed(x, [(len(x), max(1, round(len(x) / tempo)))])
    if len(x) < frames:
        x = np.pad(x, ((0, frames - len(x)), (0, 0)), mode="edge")
    return x[:frames]


def _missed(x: np.ndarray, scene: Scene) -> list[str]:
    """Distances that the motion does not go."""
    part = scene.part
    metres = part.amounts.metres
    if metres is None or part.label not in traits().travel:
        return []
    way = pathing.travelled(motion135.SPEC.check(x))
    if abs(way - metres) <= max(0.25, 0.15 * metres):
        return []
    return [f"{metres:g} m were asked for; the motion goes {way:.1f} m in this time."]

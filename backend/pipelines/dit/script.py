"""From what a prompt asks for to a plan in time: which action when, how long, what at once.

Each part gets the time that its action needs: what the data's clips of it take, times its count,
less where it is told to be quick. What is left over goes to actions that can go on (a walk), else
the model stands still at the end where it knows how to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from ...text.prompts.amounts import without_pace
from ...text.prompts.reading import PartReading, Reading
from ...text.prompts.traits import traits
from .vocabulary import Vocabulary, Wish

STEP_SECONDS = 0.55
"""A step of a walk."""
WALKED_PER_SECOND = {"run": 2.8, "dash": 4.5, "jog": 2.2, "run_turn": 2.5}
"""Metres per second of what is faster than a walk."""
WALK_PER_SECOND = 1.15
GOES_ON = (1.5, 3.5, 60.0)
ENDS = (1.2, 2.2, 3.5)
"""Seconds (short, usual, long) of actions whose clips nobody measured."""
REST_SECONDS = 1.2
"""From how much spare time on the model stands still after the last action."""
REPEATED = 3
MOST_WINDOWS = 12


@dataclass(frozen=True)
class Scene:
    """What happens in one stretch of time.

    Attributes:
        part: the action that carries the body.
        over: actions at the same time, each with the limbs that it takes.
        shown: frames that it lasts. made: frames that are sampled for it, at the usual tempo.
        times: how many times the action is done one after the other within it.
    """

    part: PartReading
    over: tuple[tuple[PartReading, tuple[str, ...]], ...] = ()
    shown: int = 0
    made: int = 0
    times: int = 1


@dataclass(frozen=True)
class Script:
    """The scenes of a prompt, in native frames; notes say what could not be done as asked."""

    scenes: tuple[Scene, ...]
    notes: tuple[str, ...] = ()

    @property
    def frames_made(self) -> int:
        """Frames of the whole canvas."""
        return sum(scene.made for scene in self.scenes)

    @property
    def layers(self) -> int:
        """How many canvases besides the first one are needed."""
        return max((len(scene.over) for scene in self.scenes), default=0)

    def parts(self, layer: int) -> Iterator[tuple[PartReading, Scene, int]]:
        """What happens on a layer: the part, its scene, and the frame of the canvas at which it
        begins. Scenes that have nothing there are left out."""
        start = 0
        for scene in self.scenes:
            if layer == 0:
                yield scene.part, scene, start
            elif layer <= len(scene.over):
                yield scene.over[layer - 1][0], scene, start
            start += scene.made

    def sentences(self, layer: int = 0) -> list[tuple[str, Wish, int]]:
        """Text, wish and frames of each window of a canvas; layer 0 is the base.

        A scene without anything on a layer repeats its base there, so that canvases line up.
        """
        found = []
        for scene in self.scenes:
            part = scene.part
            if layer and layer <= len(scene.over):
                part = scene.over[layer - 1][0]
            edges = [round(i * scene.made / scene.times) for i in range(scene.times + 1)]
            for start, stop in pairwise(edges):
                found.append((conditioned_text(part), wish_of(part), stop - start))
        return found


@dataclass(frozen=True)
class Limits:
    """Frames that a window may have, and frames per second."""

    shortest: int
    fps: float
    known: frozenset[str] = field(default_factory=frozenset)


def conditioned_text(part: PartReading) -> str:
    """The sentence that the network reads: tempo is left to retiming, so its words are left out."""
    return without_pace(part.text) if part.amounts.speed != 1.0 else part.text


def wish_of(part: PartReading) -> Wish:
    """Labels, styles and numbers for the network; the tempo is not among them, see above."""
    controls = {name: value for name, value in part.controls.items() if name != "tempo"}
    return Wish(part.labels, part.styles, controls)


def script_of(
    reading: Reading, frames: int, limits: Limits, vocabulary: Vocabulary | None = None
) -> Script:
    """Plan ``frames`` native frames for a reading.

    Args:
        limits: of the model, with the labels that it knows.
        vocabulary: how long the clips of each label are.
    """
    notes: list[str] = []
    scenes = [_scene(group, notes) for group in reading.segments]
    needs = [_seconds(scene, vocabulary) for scene in scenes]
    spare = frames / limits.fps - sum(high for _, _, high in needs)
    if spare > REST_SECONDS and "idle" in limits.known and scenes[-1].part.label != "idle":
        scenes.append(Scene(_rest(scenes[-1].part)))
        needs.append(GOES_ON)
    shown = shared(frames, needs, limits)
    scenes = [_timed(scene, count, limits) for scene, count in zip(scenes, shown, strict=True)]
    return Script(tuple(scenes), tuple(notes))


def _scene(group: Sequence[PartReading], notes: list[str]) -> Scene:
    """One segment: the part that travels or stands carries the others."""
    kinds = traits()
    carrier = next(
        (p for p in group if p.label in kinds.travel | kinds.posture or not p.label), group[0]
    )
    over = []
    for part in group:
        if part is carrier:
            continue
        limbs = kinds.overlay(carrier.label, part.label)
        if not limbs:
            said = part.asked.words if part.asked is not None else part.text
            notes.append(f"“{said}” cannot happen at the same time as the rest; it was left out.")
            continue
        one = _one_arm(part) if limbs == ("arms",) else limbs
        over.append((part, one))
    return Scene(carrier, tuple(over))


def _one_arm(part: PartReading) -> tuple[str, ...]:
    """The arm that a gesture names; both where it names none or needs both."""
    left, right = part.sides
    return (
        ("left_arm",) if left and not right else ("right_arm",) if right and not left else ("arms",)
    )


def _rest(last: PartReading) -> PartReading:
    return PartReading("a person stands still", {"idle": 1.0}, last.styles)


def _seconds(scene: Scene, vocabulary: Vocabulary | None) -> tuple[float, float, float]:
    """Short, usual and long duration of a scene as it is shown."""
    part = scene.part
    goes_on = part.label in traits().goes_on or not part.label
    low, usual, high = GOES_ON if goes_on else ENDS
    measured = _measured(part.label, vocabulary)
    if measured:
        low, usual = measured[0], measured[1]
        high = high if goes_on else max(measured[2], 1.3 * usual)
    a, tempo = part.amounts, part.amounts.speed
    exact = a.seconds
    if exact is None and a.steps:
        exact = (a.steps + 0.5) * STEP_SECONDS / tempo
    if exact is None and a.metres and part.label in traits().travel:
        exact = a.metres / WALKED_PER_SECOND.get(part.label, WALK_PER_SECOND) / tempo + 0.4
    if exact is not None:
        return exact * 0.9, exact, exact * 1.1
    times = repeats_of(part)
    return low * times / tempo, usual * times / tempo, high * times / tempo


def usual_seconds(part: PartReading, vocabulary: Vocabulary | None) -> float:
    """How long a single action takes as it is asked for."""
    return _seconds(Scene(part), vocabulary)[1]


def _measured(label: str, vocabulary: Vocabulary | None) -> tuple[float, ...]:
    for one in vocabulary.labels if vocabulary is not None else ():
        if one.name == label and len(one.seconds) == 3:
            return one.seconds
    return ()


def repeats_of(part: PartReading) -> int:
    """How many windows of one action a count asks for: of actions that end, one each."""
    a = part.amounts
    if part.label in traits().goes_on or part.label in traits().arms | traits().head:
        return 1
    return min(a.count or (REPEATED if a.repeated else 1), MOST_WINDOWS)


def shared(frames: int, needs: Sequence[tuple[float, float, float]], limits: Limits) -> list[int]:
    """``frames`` divided by what each stretch needs (short, usual, long seconds).

    >>> shared(100, [(1, 2, 60), (1, 2, 3)], Limits(20, 20.0))
    [60, 40]
    """
    total = frames / limits.fps
    low, usual, high = ([need[i] for need in needs] for i in range(3))
    if sum(usual) >= total:
        part = max(0.0, total - sum(low)) / max(sum(usual) - sum(low), 1e-9)
        times = [a + min(part, 1.0) * (b - a) for a, b in zip(low, usual, strict=True)]
    else:
        room = [h - u for h, u in zip(high, usual, strict=True)]
        spare = total - sum(usual)
        times = [u + spare * r / max(sum(room), 1e-9) for u, r in zip(usual, room, strict=True)]
    scale = total / sum(times)
    counts = [max(limits.shortest, round(t * scale * limits.fps)) for t in times]
    while sum(counts) != frames and max(counts) > limits.shortest:
        largest = counts.index(max(counts))
        counts[largest] = max(limits.shortest, counts[largest] + frames - sum(counts))
    return counts


def _timed(scene: Scene, shown: int, limits: Limits) -> Scene:
    made = max(limits.shortest, round(shown * scene.part.amounts.speed))
    times = max(1, min(repeats_of(scene.part), made // limits.shortest))
    return replace(scene, shown=shown, made=made, times=times)

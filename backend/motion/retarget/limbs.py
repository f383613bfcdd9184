"""Finding one limb: the chain of two long bones and what ends it, by names and by geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .names import BoneName
from .skeleton import Skeleton

LEG, ARM = ("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist")
_SHORTEST = 0.03
"""Of the body's size: shorter bones are no thigh, shin, upper arm or forearm."""
_MID = 0.012
"""Of the body's size: a bone nearer to the middle plane begins no leg."""
_FIRST = 0.06
"""For a bone nearer to the trunk, among bones whose names say the same."""
_CLEAR = 0.9
"""A name that fits a part so well says it."""
_MOST_ENDS = 160
_LEAST_DROP = 0.2
"""Of the body's height: a chain that leads less far down is no leg."""
_SKIP = 0.1
"""For each bone between those of a limb, where names do not say that it is part of the same."""


@dataclass(frozen=True)
class Frame:
    """How a body stands in its skeleton's space.

    Attributes:
        up, across: ``[3]`` unit vectors; across points to the body's left where that is known.
        middle: place of the middle plane along ``across``.
        low, height: height of the lowest head, and from there to the highest.
    """

    up: np.ndarray
    across: np.ndarray
    middle: float
    low: float
    height: float


@dataclass(frozen=True)
class Limb:
    """Bones of a limb by number; ``end`` is -1 where the limb has no third bone.

    Attributes:
        score: of names and geometry together. named: of the names alone, per bone.
    """

    bones: tuple[int, int, int]
    score: float
    named: tuple[float, float, float]


def find_limb(
    skeleton: Skeleton,
    read: Sequence[BoneName],
    frame: Frame,
    kinds: tuple[str, str, str],
    side: str,
    sided: bool,
) -> Limb | None:
    """The best chain of a leg or an arm on one side.

    Args:
        side: "left" or "right"; where names have no sides, left is along ``frame.across``.
        sided: whether names say which side they are on.
    """
    allowed = [_allowed(skeleton, read[b], frame, b, side, sided) for b in range(len(skeleton))]
    best: Limb | None = None
    named = [[read[b].fits(kind) for kind in kinds] for b in range(len(skeleton))]
    others = [_is_other(read[b], kinds[:2]) for b in range(len(skeleton))]
    for end in _ends(skeleton, named, allowed):
        for first, second in _pairs(skeleton, named, allowed, end):
            if others[first][0] or others[second][1]:
                continue
            names = (named[first][0], named[second][1], named[end][2])
            found = _score(skeleton, frame, kinds, (first, second, end), names)
            if found is not None and (best is None or found.score > best.score):
                best = found
    if best is None:
        best = _without_end(skeleton, frame, kinds, named, allowed)
    return best


def _allowed(
    skeleton: Skeleton, name: BoneName, frame: Frame, bone: int, side: str, sided: bool
) -> bool:
    if name.flags & {"ik", "other"}:
        return False
    if sided and name.side:
        return name.side == side
    off = float(skeleton.heads[bone] @ frame.across) - frame.middle
    off = off if side == "left" else -off
    return off > (-0.03 if sided else _MID) * skeleton.size


def _is_other(name: BoneName, kinds: tuple[str, ...]) -> list[bool]:
    """Of each kind, whether a name says clearly that the bone is another part of the body."""
    sure = max(name.parts.values(), default=0.0) >= _CLEAR
    return [sure and name.fits(kind) == 0.0 for kind in kinds]


def _ends(skeleton: Skeleton, named: list[list[float]], allowed: list[bool]) -> list[int]:
    """Bones that may end the limb: those whose names say so, else all that lie deep enough."""
    sure = [b for b, ok in enumerate(allowed) if ok and named[b][2] > 0.3]
    if sure:
        return sure
    low = skeleton.heights.min() + 0.15 * np.ptp(skeleton.heights)
    deep = [
        b
        for b, ok in enumerate(allowed)
        if ok and (len(skeleton.chains[b]) > 2 or skeleton.heights[b] < low)
    ]
    above = [
        b for b in deep if any(named[a][0] > 0.3 or named[a][1] > 0.3 for a in skeleton.chains[b])
    ]
    chosen = above or deep
    if len(chosen) > _MOST_ENDS:  # twigs of hair and skirts: bones that carry something come first
        chosen = sorted(chosen, key=lambda b: -len(skeleton.below(b)))[:_MOST_ENDS]
    return chosen


def _pairs(
    skeleton: Skeleton, named: list[list[float]], allowed: list[bool], end: int
) -> list[tuple[int, int]]:
    """Bones that may come before an end: above it, or named so where the end hangs elsewhere."""
    chain = [b for b in skeleton.chains[end][:-1] if allowed[b]]
    pairs = [(a, b) for i, a in enumerate(chain) for b in chain[i + 1 :]]
    if len(skeleton.chains[end]) <= 2 and named[end][2] == 0.0:
        pairs += _beside(skeleton, allowed, end)
    if named[end][2] > 0.6 and not any(named[b][1] > 0.5 for b in chain):
        for second, ok in enumerate(allowed):
            if ok and named[second][1] > 0.5:
                above = [
                    a for a in skeleton.chains[second][:-1] if allowed[a] and named[a][0] > 0.3
                ]
                pairs += [(a, second) for a in above]
    return pairs


def _beside(skeleton: Skeleton, allowed: list[bool], end: int) -> list[tuple[int, int]]:
    """Two bones that end above a foot that hangs on the root, as feet moved by IK do."""
    pairs = []
    for second, ok in enumerate(allowed):
        first = skeleton.parents[second]
        if not ok or first < 0 or not allowed[first] or skeleton.children[second]:
            continue
        apart = skeleton.heads[second] - skeleton.heads[end]
        level = apart - np.asarray(skeleton.up) * (apart @ np.asarray(skeleton.up))
        if second != end and np.linalg.norm(level) < 0.1 * skeleton.size:
            pairs.append((first, second))
    return pairs


def _score(
    skeleton: Skeleton,
    frame: Frame,
    kinds: tuple[str, str, str],
    bones: tuple[int, int, int],
    named: tuple[float, float, float],
) -> Limb | None:
    points = skeleton.heads[list(bones)]
    return _rated(skeleton, frame, kinds, bones, named, points)


def _rated(
    skeleton: Skeleton,
    frame: Frame,
    kinds: tuple[str, str, str],
    bones: tuple[int, int, int],
    named: tuple[float, float, float],
    points: np.ndarray,
) -> Limb | None:
    first, second = (float(np.linalg.norm(v)) for v in np.diff(points, axis=0))
    least = _SHORTEST * skeleton.size
    if min(first, second) < least:
        return None
    even = min(first, second) / max(first, second)
    start, _, last = points @ frame.up
    skipped = _skipped(skeleton, bones)
    if kinds == LEG:
        if (start - last) < _LEAST_DROP * frame.height and sum(named) < 1.5:
            return None
        off = abs(float(points[0] @ frame.across) - frame.middle)
        if off < _MID * frame.height and named[0] < 0.9:
            return None
        shape = min((start - last) / (0.42 * frame.height), 1.0)
        near_floor = 1.0 - min(max(last - frame.low, 0.0) / (0.25 * frame.height), 1.0)
        geometry = 0.6 * even + shape + 0.4 * near_floor
        geometry += 0.4 * _begins(skeleton, frame, bones[0])
        geometry += 0.3 * (bones[2] >= 0 and bool(skeleton.children[bones[2]]))  # a foot has toes
        shin = points[2] - points[1]
        geometry += 0.6 * abs(float(shin @ frame.up)) / second  # a foot goes forward, a shin down
        geometry -= 0.6 * np.sqrt(max(1.0 - (float(shin @ frame.up) / second) ** 2, 0.0))
    else:
        long = min((first + second) / (0.3 * frame.height), 1.0)
        high = min(max((start - frame.low) / (0.6 * frame.height), 0.0), 1.0)
        out = abs(float(points[2] @ frame.across) - frame.middle) / frame.height
        begin = abs(float(points[0] @ frame.across) - frame.middle) / (0.08 * frame.height)
        geometry = 0.6 * even + 0.7 * long + 0.4 * high + 0.3 * min(out / 0.2, 1.0)
        geometry += 0.5 * min(begin, 1.0) + _hand(skeleton, bones)
    detached = not skeleton.is_above(bones[1], bones[2]) if bones[2] >= 0 else False
    depth = sum(len(skeleton.chains[b]) for b in bones[:2])
    score = (
        2.0 * sum(named)
        + geometry
        - 0.5 * detached
        - 0.01 * depth
        - _SKIP * skipped * (3.0 - sum(named)) / 3.0
    )
    return Limb(bones, score, named)


def _begins(skeleton: Skeleton, frame: Frame, bone: int) -> bool:
    """Whether what a bone hangs on lies in the middle: a leg begins there."""
    parent = skeleton.parents[bone]
    if parent < 0:
        return False
    return abs(float(skeleton.heads[parent] @ frame.across) - frame.middle) < _MID * frame.height


def _skipped(skeleton: Skeleton, bones: tuple[int, int, int]) -> int:
    """Bones that were passed over on the way down the limb."""
    count = 0
    for above, below in ((bones[0], bones[1]), (bones[1], bones[2])):
        if below >= 0 and skeleton.is_above(above, below):
            count += len(skeleton.between(above, below))
    return count


def _hand(skeleton: Skeleton, bones: tuple[int, int, int]) -> float:
    """A hand carries fingers; nothing that carries fingers lies above it."""
    if bones[2] < 0:
        return 0.0
    fan = 0.4 if len(skeleton.children[bones[2]]) >= 3 else 0.0
    passed = skeleton.between(bones[1], bones[2]) if skeleton.is_above(bones[1], bones[2]) else []
    return fan - 0.6 * any(len(skeleton.children[b]) >= 3 for b in passed)


def _without_end(
    skeleton: Skeleton,
    frame: Frame,
    kinds: tuple[str, str, str],
    named: list[list[float]],
    allowed: list[bool],
) -> Limb | None:
    """A limb of two bones, the second of which ends at its tail."""
    if skeleton.tails is None:
        return None
    best: Limb | None = None
    for second, ok in enumerate(allowed):
        if not ok or named[second][1] < 0.5:
            continue
        for first in skeleton.chains[second][:-1]:
            if allowed[first] and named[first][0] > 0.3:
                ends = [skeleton.heads[first], skeleton.heads[second], skeleton.tails[second]]
                names = (named[first][0], named[second][1], 0.0)
                bones = (first, second, -1)
                found = _rated(skeleton, frame, kinds, bones, names, np.array(ends))
                if found is not None and (best is None or found.score > best.score):
                    best = found
    return best

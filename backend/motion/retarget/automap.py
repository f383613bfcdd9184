"""Finds the body in a skeleton: names first, then how bones hang together and where they lie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...wire.skeleton import JOINT_NAMES
from .joint_map import Assignment, JointMap
from .limbs import ARM, LEG, Frame, Limb, find_limb
from .names import BoneName, read_names
from .pairs import alike
from .skeleton import Skeleton

SIDES = ("left", "right")
_SURE = 0.6
LIMB_STARTS = ("_hip", "_shoulder")
_CROWN = 0.945
"""Of the body's height: a bone that begins above it ends a head, it is none."""
_NEAR = 0.06
"""Of the body's height: bones this near to each other begin at the same place."""


def find_joints(skeleton: Skeleton) -> JointMap:
    """Which bone is which joint, as far as that can be found.

    Works for bones of any names: where names say nothing the body's shape decides (two chains
    down, two to the sides, one up). What is not there is left out.

    Returns:
        The map; ``JointMap.missing`` says whether it is a body.
    """
    if len(skeleton) < 3:
        return JointMap()
    read = read_names(skeleton.names)
    return _Finder(skeleton, read).find()


class _Finder:
    def __init__(self, skeleton: Skeleton, read: Sequence[BoneName]) -> None:
        self.skeleton, self.read = skeleton, read
        self.found: dict[str, Assignment] = {}
        self.sided = self._has_sides()
        self.frame = self._frame()

    # ----------------------------------------------------------------- the whole

    def find(self) -> JointMap:
        legs = self._limbs(LEG)
        taken = {b for limb in legs.values() if limb for b in limb.bones}
        arms = self._limbs(ARM)
        arms = {s: a if a and not taken & set(a.bones) else None for s, a in arms.items()}
        if not self.sided:
            legs, arms = self._true_sides(legs, arms)
        for kinds, limbs in ((LEG, legs), (ARM, arms)):
            for side, limb in limbs.items():
                if limb is not None:
                    self._put_limb(kinds, side, limb)
                else:
                    self._put_stump(kinds[0], side)
        self._put_trunk(legs, arms)
        for side in SIDES:
            self._put_toe(side)
        return JointMap({j: self.found[j] for j in JOINT_NAMES if j in self.found})

    def _limbs(self, kinds: tuple[str, str, str]) -> dict[str, Limb | None]:
        found = {
            side: find_limb(self.skeleton, self.read, self.frame, kinds, side, self.sided)
            for side in SIDES
        }
        return alike(self.skeleton, self.frame, kinds, found)

    def _put_stump(self, kind: str, side: str) -> None:
        """The first bone of a limb that goes no further, where its name says it."""
        bones = [
            b for b, name in enumerate(self.read)
            if name.side == side and name.fits(kind) >= _SURE and not name.flags
            and name.fits("collar") == 0.0
        ]  # fmt: skip
        if bones:
            best = max(bones, key=lambda b: (self.read[b].fits(kind), -b))
            self._put(f"{side}_{kind}", best, self.read[best].fits(kind))

    def _put(self, joint: str, bone: int, named: float, why: str = "") -> None:
        name = self.skeleton.names[bone]
        if any(a.bone == name for a in self.found.values()):
            return
        words = "".join(
            c
            for c in " ".join(w for w in self.read[bone].words if not w.isdigit())
            if c.isprintable()
        )
        if named > 0:
            sure = 0.5 + 0.5 * min(named, 1.0)
            reason = f"its name says {words!r}" + (f", {why}" if why else "")
        else:
            sure, reason = 0.6, why or "by its place in the body"
        self.found[joint] = Assignment(name, round(sure, 3), reason)

    def _put_limb(self, kinds: tuple[str, str, str], side: str, limb: Limb) -> None:
        places = {
            "hip": "first of two long bones down", "knee": "second of two long bones down",
            "ankle": "below the shin", "shoulder": "first of two long bones of the arm",
            "elbow": "second of two long bones of the arm", "wrist": "at the end of the forearm",
        }  # fmt: skip
        for kind, bone, named in zip(kinds, limb.bones, limb.named, strict=True):
            if bone >= 0:
                self._put(f"{side}_{kind}", bone, named, places[kind] if named < 0.9 else "")

    # ----------------------------------------------------------------- frame and sides

    def _has_sides(self) -> bool:
        sides = [name.side for name in self.read if name.parts]
        return sides.count("left") >= 3 and sides.count("right") >= 3

    def _frame(self) -> Frame:
        skeleton = self.skeleton
        up = np.asarray(skeleton.up, np.float64)
        heads = skeleton.heads
        across = self._across_by_names(up) if self.sided else None
        if across is None:
            across = self._across_by_symmetry(up)
        used = [b for b, name in enumerate(self.read) if not name.flags & {"ik", "other"}]
        centre = [b for b in used if self.read[b].fits("pelvis") or self.read[b].fits("spine")]
        places = heads @ across
        middle = float(np.median(places[centre] if centre else places[used or None]))
        heights = heads[used or slice(None)] @ up
        low, high = float(heights.min()), float(heights.max())
        return Frame(up, across, middle, low, max(high - low, 1e-9))

    def _across_by_names(self, up: np.ndarray) -> np.ndarray | None:
        sides = {s: [b for b, n in enumerate(self.read) if n.side == s and n.parts] for s in SIDES}
        gap = self.skeleton.heads[sides["left"]].mean(0) - self.skeleton.heads[sides["right"]].mean(
            0
        )
        gap = gap - (gap @ up) * up
        length = np.linalg.norm(gap)
        return gap / length if length > 1e-3 * self.skeleton.size else None

    def _across_by_symmetry(self, up: np.ndarray) -> np.ndarray:
        """The level axis at whose plane the heads mirror best; points to the left of a body that
        faces -Y (Z-up) or +Z (Y-up), which is corrected later."""
        heads = self.skeleton.heads
        best, least = np.array([1.0, 0.0, 0.0]), np.inf
        for axis in np.eye(3):
            across = axis - (axis @ up) * up
            if np.linalg.norm(across) < 0.5:
                continue
            across /= np.linalg.norm(across)
            middle = float(np.median(heads @ across))
            mirrored = heads - 2.0 * ((heads @ across) - middle)[:, None] * across
            apart = np.linalg.norm(heads[:, None] - mirrored[None], axis=-1).min(1).mean()
            flat = 1.0 if np.ptp(heads @ across) < 0.05 * self.skeleton.size else 0.0
            if apart + flat * self.skeleton.size < least - 1e-9:
                best, least = across, apart + flat * self.skeleton.size
        return best

    def _true_sides(
        self, legs: dict[str, Limb | None], arms: dict[str, Limb | None]
    ) -> tuple[dict[str, Limb | None], dict[str, Limb | None]]:
        """Sides of nameless limbs: a body walks where its toes and its knees point."""
        forward = np.zeros(3)
        heads, up = self.skeleton.heads, self.frame.up
        for limb in legs.values():
            if limb is None or limb.bones[2] < 0:
                continue
            toes = self.skeleton.below(limb.bones[2])
            if toes:
                forward += heads[toes].mean(0) - heads[limb.bones[2]]
            elif self.skeleton.tails is not None:
                forward += self.skeleton.tails[limb.bones[2]] - heads[limb.bones[2]]
            hip, knee, ankle = heads[list(limb.bones)]
            forward += 0.5 * (knee - 0.5 * (hip + ankle))
        forward -= (forward @ up) * up
        left = np.cross(up, forward)
        if np.linalg.norm(forward) < 0.01 * self.frame.height or left @ self.frame.across > 0:
            return legs, arms
        swap = {"left": "right", "right": "left"}
        return {s: legs[swap[s]] for s in SIDES}, {s: arms[swap[s]] for s in SIDES}

    # ----------------------------------------------------------------- trunk

    def _put_trunk(self, legs: dict[str, Limb | None], arms: dict[str, Limb | None]) -> None:
        skeleton = self.skeleton
        hips = [limb.bones[0] for limb in legs.values() if limb]
        shoulders = [limb.bones[0] for limb in arms.values() if limb]
        head = self._named_head()
        chest = skeleton.common(shoulders) if len(shoulders) == 2 else -1
        pelvis = self._pelvis(hips, [b for b in (chest, head) if b >= 0] or shoulders)
        if pelvis >= 0:
            self._put("pelvis", pelvis, self.read[pelvis].fits("pelvis"), "carries legs and trunk")
        if head < 0:
            head = self._head_by_place(chest if chest >= 0 else pelvis)
        spine, neck = self._columns(pelvis, chest, head)
        for joint, bone in zip(
            _spine_joints(len(spine)), (spine[i] for i in _chosen(len(spine))), strict=True
        ):
            self._put(joint, bone, self.read[bone].fits("spine"), "between pelvis and arms")
        if neck:
            self._put("neck", neck[0], self.read[neck[0]].fits("neck"), "between arms and head")
        if head >= 0:
            self._put("head", head, self.read[head].fits("head"), "the end of the trunk")
        for side in SIDES:
            self._put_collar(side, arms[side], chest)

    def _pelvis(self, hips: list[int], trunk: list[int]) -> int:
        """The bone that carries legs and trunk; a named one just above it is preferred."""
        skeleton = self.skeleton
        if not hips:
            return self._best_named("pelvis")
        shared = skeleton.common([*hips, *trunk])
        level = float(skeleton.heights[hips].mean())
        tall = self.frame.height
        if shared >= 0 and skeleton.heights[shared] > self.frame.low + 0.5 * (
            level - self.frame.low
        ):
            if self.read[shared].fits("pelvis") < 0.9:
                for bone in reversed(skeleton.chains[shared][:-1]):
                    near = abs(skeleton.heights[bone] - skeleton.heights[shared]) < _NEAR * tall
                    if near and self.read[bone].fits("pelvis") >= 0.9:
                        return bone
            return shared
        named = self._best_named("pelvis")
        return named if named >= 0 else (shared if shared >= 0 else skeleton.common(hips))

    def _best_named(self, part: str) -> int:
        scores = [name.fits(part) for name in self.read]
        best = int(np.argmax(scores))
        return best if scores[best] >= _SURE else -1

    def _named_head(self) -> int:
        fits = [
            b for b, name in enumerate(self.read) if name.fits("head") >= _SURE and not name.side
        ]
        if not fits:
            return -1
        return min(fits, key=lambda b: (-self.read[b].fits("head"), len(self.skeleton.chains[b])))

    def _head_by_place(self, chest: int) -> int:
        """The end of the column of bones in the middle, above the arms."""
        if chest < 0:
            return -1
        skeleton, frame = self.skeleton, self.frame
        off = np.abs(skeleton.heads @ frame.across - frame.middle)
        used = {a.bone for a in self.found.values()}
        arms = {skeleton.index[a.bone] for j, a in self.found.items() if j.endswith(LIMB_STARTS)}
        barred = {b for arm in arms for b in skeleton.chains[arm] if b != chest}
        barred -= set(skeleton.chains[chest])
        bone, column = chest, []
        while True:
            steps = [
                b
                for b in skeleton.children[bone]
                if off[b] < 0.04 * frame.height
                and skeleton.heights[b] > skeleton.heights[bone] - 0.01 * frame.height
                and not self.read[b].flags & {"ik", "other"}
                and skeleton.names[b] not in used
                and b not in barred
            ]
            if not steps:
                break
            bone = max(steps, key=lambda b: (len(skeleton.below(b)), skeleton.heights[b]))
            column.append(bone)
        if not column:
            return -1
        last = column[-1]
        crown = skeleton.heights[last]
        if skeleton.tails is not None:
            crown = max(crown, float(skeleton.tails[last] @ frame.up))
        is_end = "end" in self.read[last].flags or (
            len(column) > 2 and not skeleton.children[last] and not self.read[last].parts
            and skeleton.heights[last] - frame.low > _CROWN * (crown - frame.low)
        )  # fmt: skip
        wide = max(column, key=lambda b: len(skeleton.children[b]))
        if len(skeleton.children[wide]) > 1 and not self.read[wide].parts and wide != column[0]:
            return wide
        return column[-2] if is_end and len(column) > 1 else last

    def _columns(self, pelvis: int, chest: int, head: int) -> tuple[list[int], list[int]]:
        """Bones of spine and neck between pelvis and head, from below."""
        skeleton = self.skeleton
        if pelvis < 0:
            pelvis = -1
        top = head if head >= 0 else chest
        if top < 0 or (pelvis >= 0 and not skeleton.is_above(pelvis, top)):
            column = (
                [*skeleton.between(pelvis, chest), chest] if chest >= 0 and chest != pelvis else []
            )
            return self._upright(column), []
        column = skeleton.between(pelvis, top) + ([top] if head < 0 and top != pelvis else [])
        column = self._upright(column)
        spine: list[int] = []
        neck: list[int] = []
        for bone in column:
            name = self.read[bone]
            above = chest >= 0 and bone != chest and skeleton.is_above(chest, bone)
            trunk = name.fits("spine") >= 0.3 and bool(name.words) and name.words[0].isalpha()
            if neck or name.fits("neck") > 0.3 or (above and not trunk):
                neck.append(bone)
            else:
                spine.append(bone)
        return self._split_unnamed(spine, neck, chest)

    def _split_unnamed(
        self, spine: list[int], neck: list[int], chest: int
    ) -> tuple[list[int], list[int]]:
        """Where one name runs from the pelvis to the head (``spine.001`` and on), arms divide."""
        if neck or chest not in spine:
            return spine, neck
        at = spine.index(chest) + 1
        first = set(self.read[chest].words[:1])
        rest = spine[at:]
        same = rest and all(set(self.read[b].words[:1]) == first for b in rest)
        words = {w for b in spine for w in self.read[b].words if not w.isdigit()}
        return (spine[:at], rest) if same and len(words) == 1 else (spine, neck)

    def _upright(self, bones: list[int]) -> list[int]:
        """Without helpers, and without bones that begin where the one before does."""
        kept: list[int] = []
        for bone in bones:
            flags = self.read[bone].flags
            if flags & {"ik", "other", "helper", "end"} and not self.read[bone].parts:
                continue
            kept.append(bone)
        return kept

    # ----------------------------------------------------------------- collars and toes

    def _put_collar(self, side: str, arm: Limb | None, chest: int) -> None:
        if arm is None or chest < 0:
            return
        skeleton = self.skeleton
        trunk = {a.bone for a in self.found.values()}
        options = [
            bone
            for bone in skeleton.between(chest, arm.bones[0])
            if skeleton.names[bone] not in trunk
            and not self.read[bone].flags & {"ik", "other", "end"}
            and not (self.read[bone].fits("spine") or self.read[bone].fits("neck"))
        ]
        if options:
            best = max(options, key=lambda b: self.read[b].fits("collar"))
            named = self.read[best].fits("collar")
            self._put(f"{side}_collar", best, named, "between trunk and upper arm")

    def _put_toe(self, side: str) -> None:
        ankle = self.found.get(f"{side}_ankle")
        if ankle is None:
            return
        skeleton, foot = self.skeleton, self.skeleton.index[ankle.bone]
        below = [b for b in skeleton.below(foot) if not self.read[b].flags & {"ik", "end"}]
        named = [b for b in below if self.read[b].fits("foot") > 0.5]
        if named:
            shallow = min(len(skeleton.chains[b]) for b in named)
            first = [b for b in named if len(skeleton.chains[b]) == shallow]
            middle = skeleton.heads[first].mean(0)
            toe = min(first, key=lambda b: np.linalg.norm(skeleton.heads[b] - middle))
            self._put(f"{side}_foot", toe, self.read[toe].fits("foot"))
            return
        level = skeleton.heads - np.outer(skeleton.heights, self.frame.up)
        reach = [
            (float(np.linalg.norm(level[b] - level[foot])), b)
            for b in skeleton.children[foot]
            if not self.read[b].flags and set(self.read[b].parts) <= set(LEG)
        ]
        reach = [(r, b) for r, b in reach if r > 0.02 * self.frame.height]
        if reach:
            self._put(f"{side}_foot", max(reach)[1], 0.0, "ahead of the ankle")


def _chosen(count: int) -> list[int]:
    """Which of the spine's bones stand for the three joints of SMPL's."""
    return [0, count // 2, count - 1] if count >= 3 else list(range(count))


def _spine_joints(count: int) -> tuple[str, ...]:
    return ("spine1", "spine2", "spine3")[: min(count, 3)]

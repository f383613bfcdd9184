"""The skeletons of Kimodo's models: SOMA-30 and SMPL-X-22, T-pose with identity rotations.

``kimodo_skeletons.json`` holds joint names, parents, neutral joints (metres, Y-up, +Z forward, the
root at the origin), and which SMPL joint takes its rotation from which joint.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

_FILE = Path(__file__).with_name("kimodo_skeletons.json")


@dataclass(frozen=True)
class KimodoSkeleton:
    """A skeleton; joints are numbers in its own order.

    Attributes:
        neutral: ``[J, 3]`` float64 rest positions, the root at the origin.
        hips: right and left hip, whose line gives the heading.
        feet: left ankle, left toe, right ankle, right toe: the joints of the four contacts.
        chains: joints that "LeftHand", "RightFoot", ... stand for in constraints, the one whose
            rotation counts first.
        smpl: of each of the 22 SMPL joints, the joint whose world rotation it takes.
        full: where these joints stand among the 77 of SOMA's files; empty where files have the same
            joints.
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    neutral: np.ndarray
    hips: tuple[int, int]
    feet: tuple[int, int, int, int]
    chains: dict[str, tuple[int, ...]]
    smpl: tuple[int, ...]
    full: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """Number of joints."""
        return len(self.joints)

    @property
    def leg_length(self) -> float:
        """Height of the hip joint above the ankle at rest, metres."""
        return float(self.neutral[self.hips[1], 1] - self.neutral[self.feet[0], 1])

    def world(self, local_rotations: np.ndarray) -> np.ndarray:
        """Parent-relative ``[..., J, 3, 3]`` to world rotations."""
        out = np.empty_like(local_rotations)
        for joint, parent in enumerate(self.parents):
            own = local_rotations[..., joint, :, :]
            out[..., joint, :, :] = own if parent < 0 else out[..., parent, :, :] @ own
        return out

    def local(self, world: np.ndarray) -> np.ndarray:
        """World ``[..., J, 3, 3]`` to parent-relative rotations."""
        out = world.copy()
        rest = slice(1, None)
        parents = world[..., self.parents[1:], :, :]
        out[..., rest, :, :] = parents.swapaxes(-1, -2) @ world[..., rest, :, :]
        return out

    def positions(self, world: np.ndarray, root: np.ndarray) -> np.ndarray:
        """Joints ``[..., J, 3]`` of world rotations ``[..., J, 3, 3]``, the root at ``root``."""
        out = np.empty(world.shape[:-1], dtype=world.dtype)
        out[..., 0, :] = root
        for joint, parent in enumerate(self.parents[1:], start=1):
            bone = (self.neutral[joint] - self.neutral[parent]).astype(world.dtype)
            out[..., joint, :] = out[..., parent, :] + world[..., parent, :, :] @ bone
        return out


@cache
def skeleton(name: str) -> KimodoSkeleton:
    """ "soma30" or "smplx22"."""
    values = json.loads(_FILE.read_text(encoding="utf-8"))[name]
    joints = tuple(values["joints"])

    def numbers(names: list[str]) -> tuple[int, ...]:
        return tuple(joints.index(each) for each in names)

    right, left = numbers(values["hips"])
    feet = numbers(values["feet"])
    return KimodoSkeleton(
        name,
        joints,
        tuple(values["parents"]),
        np.array(values["neutral"], dtype=np.float64),
        (right, left),
        (feet[0], feet[1], feet[2], feet[3]),
        {chain: numbers(names) for chain, names in values["chains"].items()},
        tuple(values["smpl"]),
        tuple(values.get("full", ())),
    )


def skeleton_of_width(dim: int) -> KimodoSkeleton | None:
    """The skeleton whose features are ``dim`` wide, if there is one."""
    return next((s for s in map(skeleton, NAMES) if 12 * s.count + 9 == dim), None)


NAMES = ("soma30", "smplx22")

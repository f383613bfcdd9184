"""Five parts of the body and the columns that describe each of them.

The division of STMC (Petrovich et al. 2024, section 4): every column belongs to exactly one part,
and the legs carry the root and the foot contacts, because they decide where the body goes.
"""

from __future__ import annotations

import numpy as np

from .representations import hml263, smplrifke205
from .representations.spec import RepresentationSpec
from .skeleton import NUM_JOINTS, joint_index

HANDS = {"left": NUM_JOINTS, "right": NUM_JOINTS + 1}
"""Joint numbers of the hands in the 24-joint set."""


def _joints(*names: str) -> tuple[int, ...]:
    return tuple(sorted(joint_index(name) for name in names))


def _arm(side: str) -> tuple[int, ...]:
    return (
        *_joints(*(f"{side}_{n}" for n in ("collar", "shoulder", "elbow", "wrist"))),
        HANDS[side],
    )


PART_JOINTS: dict[str, tuple[int, ...]] = {
    "left arm": _arm("left"),
    "right arm": _arm("right"),
    "legs": _joints(
        "pelvis", *(f"{s}_{n}" for s in ("left", "right") for n in ("hip", "knee", "ankle", "foot"))
    ),
    "head": _joints("neck", "head"),
    "spine": _joints("spine1", "spine2", "spine3"),
}
"""Joints of each part, in increasing order."""

ROOT_PART = "legs"
"""The part that carries what no joint does."""

_LAYOUTS: dict[str, tuple[tuple[str, int, int, int], ...]] = {
    # block, numbers per joint, its first joint, one past its last
    smplrifke205.SPEC.name: (
        ("rotations", 6, 0, NUM_JOINTS),
        ("joints", 3, 1, smplrifke205.NUM_JOINTS_24),
    ),
    hml263.SPEC.name: (
        ("joints", 3, 1, NUM_JOINTS),
        ("rotations", 6, 1, NUM_JOINTS),
        ("velocities", 3, 0, NUM_JOINTS),
    ),
}


def part_columns(spec: RepresentationSpec, part: str) -> np.ndarray:
    """Column numbers ``[N]`` int64 of one part of the body, joint blocks first and the root last.

    Args:
        spec: of smplrifke205 or hml263.
        part: a key of :data:`PART_JOINTS`.

    Raises:
        KeyError: no such part, or a representation without a division.
    """
    joints, layout = PART_JOINTS[part], _LAYOUTS[spec.name]
    chosen = []
    for block, width, first, end in layout:
        columns = np.arange(spec.dim)[spec.columns(block)].reshape(end - first, width)
        chosen.append(columns[[j - first for j in joints if first <= j < end]].ravel())
    if part == ROOT_PART:
        blocks = {block for block, *_ in layout}
        rest = [n for n in spec.names if n not in blocks]
        chosen += [np.arange(spec.dim)[spec.columns(n)] for n in rest]
    return np.concatenate(chosen)

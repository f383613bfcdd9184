"""Left and right as asked: a canvas that shows the other side is mirrored.

Few clips of an action say which side they show, so networks confuse sides more often than anything
else that they are asked for; a mirror image is exact.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from ...motion import pathing
from ...motion.mirror import mirror_motion135
from ...motion.representations import motion135
from ...motion.skeleton import joint_index
from ...text.prompts.reading import PartReading
from .script import Script

TURNS = re.compile(r"\b(?:turn(?:s|ed|ing)?|circles?|veer\w*|spin\w*|pivot\w*|curve\w*)\b")
HANDS = re.compile(r"\b(?:hand|hands|arm|arms|fist|fists|elbow|forearm|handed)\b")
LEGS = re.compile(r"\b(?:foot|feet|leg|legs|knee|kick\w*)\b")
TURNED = 0.35
"""Changes of heading below this (rad) show no side."""
ASIDE = 0.25
"""Ways aside below this (m) show no side."""
CLEARER = 1.25
"""One limb moves so many times as far as the other before it shows a side."""


def sided(x: np.ndarray, script: Script, layer: int) -> np.ndarray:
    """A canvas, or its mirror image where scenes show the other side than was asked for.

    One that shows some sides right and others wrong stays as it is.

    Args:
        x: motion_135 ``[T, 135]`` of a canvas of the script. layer: which one.
    """
    found = [side for side in _agreements(x, script, layer) if side]
    return mirror_motion135(x) if found and max(found) < 0 else x


def _agreements(x: np.ndarray, script: Script, layer: int) -> Iterator[int]:
    """Of each scene that names one side: 1 where it is shown, -1 where the other is, else 0."""
    scale = len(x) / script.frames_made
    for part, scene, start in script.parts(layer):
        left, right = part.sides
        if left != right:
            stop = start + scene.made
            shown = shown_side(x[round(start * scale) : round(stop * scale)], part)
            yield shown if left else -shown


def shown_side(x: np.ndarray, part: PartReading) -> int:
    """1 where a motion_135 ``[T, 135]`` of a part shows the left, -1 the right, 0 neither."""
    if len(x) < 2:
        return 0
    text = part.text.lower()
    if HANDS.search(text):
        return _livelier(x, "wrist")
    if LEGS.search(text) or "kick" in part.label:
        return _livelier(x, "ankle")
    if TURNS.search(text) or "turn" in part.label:
        turned = pathing.turned(x)
        return 0 if abs(turned) < TURNED else int(np.sign(turned))
    if part.label in ("walk", "run", "jog", "sidestep", "dash"):
        aside = _aside(x)
        return 0 if abs(aside) < ASIDE else int(np.sign(aside))
    return _livelier(x, "wrist")


def _livelier(x: np.ndarray, joint: str) -> int:
    """The side whose joint moves further, seen from the pelvis."""
    joints = motion135.joints(x.astype(np.float64))
    _, rotations = motion135.unpack(x.astype(np.float64))
    ways = []
    for side in ("left", "right"):
        own = joints[:, joint_index(f"{side}_{joint}")] - joints[:, 0]
        local = np.einsum("tji,tj->ti", rotations[:, 0], own)
        ways.append(float(np.linalg.norm(np.diff(local, axis=0), axis=-1).sum()))
    left, right = ways
    if max(ways) < CLEARER * min(ways) or max(ways) < 1e-6:
        return 0
    return 1 if left > right else -1


def _aside(x: np.ndarray) -> float:
    """Way to the left of where the motion looks at first, m."""
    _, rotations = motion135.unpack(x[:1].astype(np.float64))
    left = rotations[0, 0] @ np.array([1.0, 0.0, 0.0])
    return float((x[-1, [0, 2]] - x[0, [0, 2]]) @ left[[0, 2]])

"""The two legs and the two arms of one body are alike: what is not, was found in something else.

A character that lacks a shin or a forearm has other chains of bones that reach as far: the arm of
that side, the spine, or the collar with the upper arm. They are told by their lengths and by where
they begin.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .limbs import LEG, Frame, Limb
from .skeleton import Skeleton

_UNLIKE = 1.5
"""Ratio of the lengths of two thighs, shins, upper arms or forearms of one body."""
_LEVEL = 0.1
"""Of the body's height: limbs of a pair begin at one height."""
_INSIDE, _OUT = 0.3, 0.02
"""A limb begins no nearer to the middle than this share of where the other one does, and of the
body's height: how far out that matters."""


def alike(
    skeleton: Skeleton, frame: Frame, kinds: tuple[str, str, str], limbs: Mapping[str, Limb | None]
) -> dict[str, Limb | None]:
    """The limbs of a pair, without the one that is none: the less likely of two that differ."""
    left, right = limbs["left"], limbs["right"]
    kept: dict[str, Limb | None] = dict(limbs)
    if left is None or right is None:
        return kept
    for side, limb, other in (("left", left, right), ("right", right, left)):
        if skeleton.is_above(limb.bones[1], other.bones[0]):  # the trunk carries both
            kept[side] = None
            return kept
    places = [skeleton.heads[limb.bones[0]] for limb in (left, right)]
    starts = [float(place @ frame.up) for place in places]
    carrier = skeleton.common([left.bones[0], right.bones[0]])
    middle = float(skeleton.heads[carrier] @ frame.across) if carrier >= 0 else frame.middle
    out = [abs(float(place @ frame.across) - middle) for place in places]
    lengths = [_lengths(skeleton, limb) for limb in (left, right)]
    apart = abs(starts[0] - starts[1]) > _LEVEL * frame.height
    inside = min(out) < _INSIDE * max(out) and max(out) > _OUT * frame.height
    pairs = [(a, b) for a, b in zip(*lengths, strict=True) if a > 0.0 and b > 0.0]
    if not apart and not inside and all(max(pair) < _UNLIKE * min(pair) for pair in pairs):
        return kept
    if kinds == LEG and apart:
        wrong = int(np.argmax(starts))  # an arm begins higher
    elif inside or (kinds != LEG and abs(out[0] - out[1]) > _OUT * frame.height):
        wrong = int(np.argmin(out))  # the trunk is in the middle, and collars begin there
    else:
        wrong = int(
            np.argmax([abs(float(np.log(a / b))) if a > 0 < b else 0.0 for a, b in lengths])
        )
    kept[("left", "right")[wrong]] = None
    return kept


def _lengths(skeleton: Skeleton, limb: Limb) -> tuple[float, float]:
    """Of the first and the second bone; 0 where the second has no end."""
    first, second, end = limb.bones
    heads = skeleton.heads
    return (
        float(np.linalg.norm(heads[second] - heads[first])),
        float(np.linalg.norm(heads[end] - heads[second])) if end >= 0 else 0.0,
    )

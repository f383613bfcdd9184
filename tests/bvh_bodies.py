"""BVH texts of bodies and animals, made from a list of joints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Joint = tuple[str, int, tuple[float, float, float]]
"""Name, number of the parent (-1 of the root), offset from it."""


def person(hand: bool = True) -> list[Joint]:
    """A T-pose in centimetres, Y-up, facing +Z, with the names of MotionBuilder."""
    joints: list[Joint] = [
        ("Hips", -1, (0, 0, 0)),
        ("Spine", 0, (0, 12, 0)),
        ("Spine1", 1, (0, 25, 0)),
        ("Neck", 2, (0, 18, 0)),
        ("Head", 3, (0, 10, 0)),
    ]
    for side, x in (("Left", 1), ("Right", -1)):
        at = len(joints)
        joints += [
            (f"{side}UpLeg", 0, (9 * x, -4, 0)),
            (f"{side}Leg", at, (0, -42, 1)),
            (f"{side}Foot", at + 1, (0, -41, -1)),
            (f"{side}ToeBase", at + 2, (0, -6, 13)),
        ]
        at = len(joints)
        joints += [
            (f"{side}Shoulder", 2, (4 * x, 13, 0)),
            (f"{side}Arm", at, (13 * x, 2, 0)),
            (f"{side}ForeArm", at + 1, (28 * x, 0, 0)),
        ]
        if hand:
            joints.append((f"{side}Hand", at + 2, (26 * x, 0, 0)))
    return joints


def dog() -> list[Joint]:
    """Four legs, with the names of a person."""
    joints: list[Joint] = [
        ("Hips", -1, (0, 0, 0)),
        ("Spine", 0, (0, 2, 25)),
        ("Spine1", 1, (0, 2, 30)),
        ("Neck", 2, (0, 15, 15)),
        ("Head", 3, (0, 15, 15)),
    ]
    for side, x in (("Left", 1), ("Right", -1)):
        at = len(joints)
        joints += [
            (f"{side}UpLeg", 0, (10 * x, -5, 0)),
            (f"{side}Leg", at, (0, -30, 3)),
            (f"{side}Foot", at + 1, (0, -30, -5)),
            (f"{side}Toe", at + 2, (0, -5, 8)),
        ]
        at = len(joints)
        joints += [
            (f"{side}Shoulder", 2, (5 * x, 0, 0)),
            (f"{side}Arm", at, (5 * x, -10, 0)),
            (f"{side}ForeArm", at + 1, (0, -27, -3)),
            (f"{side}Hand", at + 2, (0, -27, 2)),
        ]
    return joints


def spider() -> list[Joint]:
    """Eight legs of three joints."""
    joints: list[Joint] = [("body", -1, (0, 0, 0)), ("head", 0, (0, 0, 10))]
    for side in (1, -1):
        for leg in range(4):
            at = len(joints)
            joints += [
                (f"leg{leg}{side}a", 0, (5 * side, 0, 5 * leg - 7.5)),
                (f"leg{leg}{side}b", at, (10 * side, 10, 0)),
                (f"leg{leg}{side}c", at + 1, (10 * side, -20, 0)),
            ]
    return joints


def text(
    joints: Sequence[Joint],
    values: np.ndarray,
    *,
    world: np.ndarray | None = None,
    tips: bool = True,
) -> str:
    """A BVH at 30 fps whose channels are the root's position and ``ZXY`` of each joint.

    Args:
        values: ``[T, 3 + 3 * joints]`` in file order (depth first).
        world: ``[3, 3]`` that turns the offsets of the rest pose.
        tips: write end sites, as long as the bone above and along it.
    """
    turn = np.eye(3) if world is None else world
    lines = ["HIERARCHY"]

    def add(joint: int) -> None:
        name, parent, offset = joints[joint]
        lines.append(f"{'ROOT' if parent < 0 else 'JOINT'} {name}")
        place = " ".join(f"{v:.6f}" for v in turn @ np.array(offset))
        root = "Xposition Yposition Zposition " if parent < 0 else ""
        lines.extend(["{", f"OFFSET {place}"])
        lines.append(f"CHANNELS {6 if root else 3} {root}Zrotation Xrotation Yrotation")
        below = [j for j, (_, above, _) in enumerate(joints) if above == joint]
        for child in below:
            add(child)
        if not below and tips:
            lines.extend(["End Site", "{", f"OFFSET {place}", "}"])
        lines.append("}")

    add(0)
    lines += ["MOTION", f"Frames: {len(values)}", "Frame Time: 0.0333333"]
    lines += [" ".join(f"{v:.6f}" for v in row) for row in values]
    return "\n".join(lines) + "\n"


def standing(joints: Sequence[Joint], frames: int = 3, height: float = 93.0) -> np.ndarray:
    """Channel values of the rest pose, ``height`` above the floor."""
    values = np.zeros((frames, 3 + 3 * len(joints)))
    values[:, 1] = height
    return values


def column(joints: Sequence[Joint], name: str) -> int:
    """Where the three angles of a joint begin in a row of values."""

    def below(joint: int) -> list[int]:
        own = [j for j, (_, above, _) in enumerate(joints) if above == joint]
        return [joint, *(b for child in own for b in below(child))]

    names = [joints[j][0] for j in below(0)]
    return 3 + 3 * names.index(name)

"""Skeletons for tests: the real ones of the kit, and a body with a convention's names."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from backend.motion.retarget.skeleton import Skeleton
from backend.wire.skeleton import JOINT_NAMES, PARENTS, REST_OFFSETS, SOLE_HEIGHT

TRUE_MAPS = json.loads((Path(__file__).parent / "true_maps.json").read_text())
"""Joint to bone of each skeleton of the kit, written by hand; a list where several are right."""


def names(kit: Path) -> list[str]:
    return sorted(path.stem for path in (kit / "rigs" / "skeletons").glob("*.json"))


def load(kit: Path, name: str) -> tuple[Skeleton, dict]:
    """A skeleton of the kit in armature space, and the whole file."""
    data = json.loads((kit / "rigs" / "skeletons" / f"{name}.json").read_text(encoding="utf-8"))
    return of_file(data), data


def of_file(data: dict) -> Skeleton:
    bones, world = data["bones"], np.array(data["object"]["matrix_world"])
    index = {bone["name"]: i for i, bone in enumerate(bones)}
    up = np.linalg.inv(world[:3, :3]) @ [0.0, 0.0, 1.0]
    return Skeleton(
        tuple(index),
        tuple(index.get(bone["parent"], -1) for bone in bones),
        np.array([bone["matrix_local"] for bone in bones]),
        np.array([bone["head"] for bone in bones]),
        np.array([bone["tail"] for bone in bones]),
        up=tuple(up / np.linalg.norm(up)),
        turned=tuple(bone["inherit_rotation"] is True for bone in bones),
        local=tuple(bone["local_location"] for bone in bones),
        movable=tuple(not bone["connect"] for bone in bones),
    )


def body_heads() -> np.ndarray:
    """``[22, 3]`` joints of SMPL's body at rest in Blender's axes, soles on z = 0."""
    heads = np.zeros((22, 3))
    for joint, parent in enumerate(PARENTS):
        heads[joint] = np.asarray(REST_OFFSETS[joint]) + (heads[parent] if parent >= 0 else 0.0)
    heads[:, 1] += SOLE_HEIGHT - heads[:, 1].min()
    return heads[:, [0, 2, 1]] * [1.0, -1.0, 1.0]


def named_body(table: dict, seed: int = 0, arms_down: float = 40.0) -> Skeleton:
    """A body with the bones of a convention: a chain for each column of ``others``.

    Joints that the convention does not name are left out; two names of one joint become a bone and
    its child at the same place.
    """
    rng = np.random.default_rng(seed)
    heads = body_heads() * rng.uniform(0.9, 1.1)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        angle = np.radians(sign * arms_down)
        turn = np.array(
            [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
        )
        pivot = heads[JOINT_NAMES.index(f"{side}_shoulder")].copy()
        for part in ("elbow", "wrist"):
            at = JOINT_NAMES.index(f"{side}_{part}")
            heads[at] = pivot + turn @ (heads[at] - pivot)
    bones: list[tuple[str, str | None, np.ndarray]] = []
    made: dict[str, str] = {}
    joints = table["joints"]
    spine = _spine_of(table)
    for joint in JOINT_NAMES:
        here = list(joints.get(joint, ()))
        if not here:
            continue
        parent = PARENTS[JOINT_NAMES.index(joint)]
        while parent >= 0 and JOINT_NAMES[parent] not in made:
            parent = PARENTS[parent]
        above = made.get(JOINT_NAMES[parent]) if parent >= 0 else None
        at = heads[JOINT_NAMES.index(joint)]
        if joint in (
            "neck",
            "head",
            "left_collar",
            "right_collar",
            "left_shoulder",
            "right_shoulder",
        ) and (parent >= 0 and JOINT_NAMES[parent] in ("pelvis", "spine1", "spine2", "spine3")):
            for name, place in spine.get("spine", []):
                if name not in [b[0] for b in bones]:
                    bones.append((name, above, _along(heads, "pelvis", "neck", place)))
                above = name
            if joint == "head":
                for name, place in spine.get("neck", []):
                    bones.append((name, above, _along(heads, "neck", "head", place)))
                    above = name
        for name in here:
            bones.append((name, above, at))
            above = name
        made[joint] = here[0]
    loose = [n for n in table["others"] if n not in [b[0] for b in bones]]
    for name in loose:
        bones.append((name, None, rng.uniform([-0.1, -0.1, 0.3], [0.1, 0.1, 0.5])))
    index = {name: i for i, (name, _, _) in enumerate(bones)}
    places = np.array([place for _, _, place in bones])
    tails = places + 0.05 * rng.normal(size=places.shape)
    rest, _ = np.linalg.qr(rng.normal(size=(len(bones), 3, 3)))
    rest[np.linalg.det(rest) < 0, :, 0] *= -1
    parents = tuple(-1 if above is None else index[above] for _, above, _ in bones)
    return Skeleton(tuple(index), parents, rest, places, tails)


def _along(heads: np.ndarray, start: str, end: str, share: float) -> np.ndarray:
    a, b = (heads[JOINT_NAMES.index(j)] for j in (start, end))
    return a + share * (b - a)


def _spine_of(table: dict) -> dict[str, list[tuple[str, float]]]:
    """Trunk bones among a convention's others, with their place between pelvis and neck (head)."""
    used = {name for options in table["joints"].values() for name in options}
    words = ("spine", "chest", "abdomen", "waist", "torso", "L5", "L3", "T12", "T8", "上半身")
    spine = [
        n for n in table["others"]
        if n not in used and any(w.lower() in n.lower() for w in words) and "Ctrl" not in n
    ]  # fmt: skip
    neck = [
        n
        for n in table["others"]
        if n not in used and ("neck" in n.lower() or n == "首") and "Ctrl" not in n
    ]
    rigify = "spine.005" in spine
    if rigify:
        spine, neck = spine[:3], spine[3:]
    return {
        "spine": [(n, 0.15 + 0.8 * i / max(len(spine), 1)) for i, n in enumerate(spine)],
        "neck": [(n, 0.1 + 0.8 * i / max(len(neck), 1)) for i, n in enumerate(neck)],
    }

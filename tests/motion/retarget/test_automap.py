"""Which bone is which joint: real skeletons, published conventions, and bones without names."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.errors import FormatError
from backend.motion.retarget import JointMap, Skeleton, find_joints, make_body, of_map
from backend.motion.retarget.joint_map import REQUIRED
from backend.motion.retarget.names import read_names

from . import rigs

MAIN = [
    "pelvis",
    "head",
    *(f"{s}_{p}" for s in ("left", "right") for p in ("hip", "knee", "ankle")),
    *(f"{s}_{p}" for s in ("left", "right") for p in ("shoulder", "elbow", "wrist")),
]


def wrong(found: dict[str, str], true: dict[str, str | list[str]]) -> list[str]:
    """Joints whose bone is another one than by hand, and joints that there are not."""
    bad = []
    for joint, want in true.items():
        if found.get(joint) not in (want if isinstance(want, list) else [want]):
            bad.append(f"{joint}: {found.get(joint)}, not {want}")
    return bad + [f"{joint}: {found[joint]}, not there" for joint in found if joint not in true]


@pytest.mark.parametrize("name", rigs.TRUE_MAPS)
def test_real_skeletons_are_mapped_as_by_hand(name: str, kit: Path) -> None:
    skeleton, _ = rigs.load(kit, name)
    found = find_joints(skeleton)
    assert not wrong(found.bones, rigs.TRUE_MAPS[name])
    assert not found.missing and found.confidence >= 0.6
    assert all(a.reason for a in found.joints.values())


@pytest.mark.parametrize("name", rigs.TRUE_MAPS)
def test_meaningless_names_leave_the_body(name: str, kit: Path) -> None:
    skeleton, _ = rigs.load(kit, name)
    order = np.random.default_rng(0).permutation(len(skeleton))
    nameless = replace(skeleton, names=tuple(f"b{number}" for number in order))
    back = dict(zip(nameless.names, skeleton.names, strict=True))
    found = {joint: back[bone] for joint, bone in find_joints(nameless).bones.items()}
    ends = ("wrist", "foot")  # which of a robot's fingers is its hand, nobody can tell
    true = {j: b for j, b in rigs.TRUE_MAPS[name].items() if not j.endswith(ends)}
    assert not wrong({j: b for j, b in found.items() if not j.endswith(ends)}, true)
    sure = find_joints(nameless).joints.values()
    assert max(a.confidence for a in sure) < 0.7  # names would make it surer


def conventions(kit_folder: Path) -> dict:
    return json.loads((kit_folder / "rigs" / "conventions.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("seed", [0, 1])
def test_published_conventions_are_mapped(kit: Path, seed: int) -> None:
    tables = conventions(kit)
    assert len(tables) == 24
    for name, table in tables.items():
        skeleton = rigs.named_body(table, seed, arms_down=40.0 * seed)
        found = find_joints(skeleton)
        if not table["joints"]:
            continue
        true = {joint: bones for joint, bones in table["joints"].items() if joint in MAIN}
        bad = [line for line in wrong(found.bones, true) if "not there" not in line]
        assert not bad and not found.missing, (name, bad, found.missing)


def test_half_a_body_is_told_so(kit: Path) -> None:
    (table,) = (t for name, t in conventions(kit).items() if "half-body" in name)
    heads = {
        "Hips": (0, 0, 0.9), "Spine": (0, 0, 1.1), "Neck": (0, 0, 1.4), "Head": (0, 0, 1.5),
        **{f"{s}{n}": (x * sign, 0, 1.35) for s, sign in (("Left", 1), ("Right", -1))
           for n, x in (("Shoulder", 0.05), ("Arm", 0.17), ("ForeArm", 0.42), ("Hand", 0.66))},
    }  # fmt: skip
    order = table["others"]
    above = {"Spine": "Hips", "Neck": "Spine", "Head": "Neck"}
    for side in ("Left", "Right"):
        chain = ["Spine", *(f"{side}{n}" for n in ("Shoulder", "Arm", "ForeArm", "Hand"))]
        above |= dict(zip(chain[1:], chain, strict=False))
    skeleton = Skeleton(
        tuple(order),
        tuple(order.index(above[n]) if n in above else -1 for n in order),
        np.tile(np.eye(3), (len(order), 1, 1)),
        np.array([heads[n] for n in order], float),
    )
    found = find_joints(skeleton)
    assert found.bones["left_elbow"] == "LeftForeArm" and found.bones["head"] == "Head"
    assert set(found.missing) == {f"{s}_{p}" for s in ("left", "right") for p in ("hip", "knee")}
    assert "no legs" in found.describe()


@pytest.mark.parametrize(
    ("name", "side", "part"),
    [
        ("mixamorig:LeftUpLeg", "left", "hip"),
        ("Armature|mixamorig:LeftForeArm", "left", "elbow"),
        ("Bip01 R UpperArm", "right", "shoulder"),
        ("bip_upperArm_L", "left", "shoulder"),
        ("DEF-forearm.R.001", "right", "elbow"),
        ("CC_Base_L_Thigh", "left", "hip"),
        ("lThighBend", "left", "hip"),
        ("rShldr", "right", "shoulder"),
        ("J_Bip_L_LowerLeg", "left", "knee"),
        ("lowerarm_l_01", "left", "elbow"),
        ("leftlowerleg", "left", "knee"),
        ("左ひざ", "left", "knee"),
        ("右手首", "right", "wrist"),
        ("Oberschenkel.L", "left", "hip"),
        ("Bein_Knie_R", "right", "knee"),
        ("LHand", "left", "wrist"),
        ("foot.l", "left", "ankle"),
        ("R_Toe0", "right", "foot"),
    ],
)
def test_what_a_name_says(name: str, side: str, part: str) -> None:
    read = read_names([name])[0]
    assert read.side == side and max(read.parts, key=read.parts.get) == part


@pytest.mark.parametrize(
    "name",
    ["upperarm_twist_01_l", "foot_ik.L", "hand_ik_target_R", "LeftHandThumb1", "PoleTarget.L",
     "eye.L", "HeadTop_End", "左足ＩＫ", "MCH-thumb.01.L"],
)  # fmt: skip
def test_what_is_no_joint(name: str) -> None:
    assert max(read_names([name])[0].parts.values(), default=0.0) < 0.5


def test_absent_joints_are_absent_and_the_body_moves_all_the_same(kit: Path) -> None:
    skeleton, _ = rigs.load(kit, "kaykit_manny")
    found = find_joints(skeleton)
    assert not {"neck", "left_collar", "right_collar", "spine3"} & set(found.joints)
    made = make_body(skeleton, of_map(found))
    assert made.names and made.rig.bones == found.bones


def test_a_map_is_changed_kept_and_read_back() -> None:
    joints = JointMap.of({"pelvis": "Hips", "left_hip": "a", "head": "h"}, "Mixamo")
    changed = joints.with_bone("left_hip", "b").with_bone("right_hip", "h").with_bone("head", None)
    assert changed.bones == {"pelvis": "Hips", "left_hip": "b", "right_hip": "h"}
    again = JointMap.from_dict(json.loads(json.dumps(changed.to_dict())))
    assert again == changed and again.missing[0] == "left_knee" and REQUIRED[0] == "pelvis"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "no mapping"),
        ({"joints": {"nose": "Nose"}}, "no joint called 'nose'"),
        ({"joints": {"head": 3}}, "'head' is no name"),
        ({"joints": {"head": "a", "neck": "a"}}, "stands for two"),
        ({"joints": {"head": {"bone": "a", "confidence": "much"}}}, "no number"),
    ],
)
def test_a_broken_map_says_what_is_wrong(data: object, words: str) -> None:
    with pytest.raises(FormatError, match=words):
        JointMap.from_dict(data)


@pytest.mark.parametrize("seed", [0, 3])
def test_further_ways_to_name_a_body(seed: int) -> None:
    """Character Creator, AdvancedSkeleton, Second Life, Poser, Daz 9, Skyrim, GTA, CAT, ASF, …"""
    file = Path(__file__).parent / "more_conventions.json"
    tables = json.loads(file.read_text(encoding="utf-8"))
    assert len(tables) > 20
    for name, table in tables.items():
        found = find_joints(rigs.named_body(table, seed, arms_down=15.0 * seed))
        bad = [line for line in wrong(found.bones, table["joints"]) if "not there" not in line]
        assert not bad and not found.missing, (name, bad, found.missing)


# --------------------------------------------------------------------------- maimed bodies


def without(skeleton: Skeleton, bone: str, *, below: bool) -> Skeleton:
    """A skeleton that lacks a bone, and what hangs on it (else that hangs on the one above)."""
    gone = {skeleton.index[bone]}
    for number, parent in enumerate(skeleton.parents):
        if below and parent in gone:
            gone.add(number)
    kept = [number for number in range(len(skeleton)) if number not in gone]
    place = {old: new for new, old in enumerate(kept)}

    def parent_of(number: int) -> int:
        parent = skeleton.parents[number]
        while parent in gone:
            parent = skeleton.parents[parent]
        return place.get(parent, -1)

    return Skeleton(
        tuple(skeleton.names[k] for k in kept),
        tuple(parent_of(k) for k in kept),
        skeleton.rest[kept],
        skeleton.heads[kept],
        None if skeleton.tails is None else skeleton.tails[kept],
        up=skeleton.up,
    )


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    ("joint", "below"),
    [
        ("left_elbow", True), ("right_knee", True), ("left_shoulder", True), ("right_hip", True),
        ("left_knee", False), ("right_elbow", False),
    ],
)  # fmt: skip
def test_what_lacks_a_limb_is_refused_and_nothing_else_takes_its_place(
    kit: Path, joint: str, below: bool, named: bool
) -> None:
    bodies = {name: rigs.load(kit, name)[0] for name in rigs.TRUE_MAPS}
    for key, table in conventions(kit).items():
        if "half" not in key:
            bodies[key] = rigs.named_body(table)
    for name, whole in bodies.items():
        if not named and name == "quaternius_robotexpressive":
            continue  # which of its fingers is a hand, and which a forearm, nobody can tell
        skeleton = whole
        if not named:
            skeleton = replace(whole, names=tuple(f"b{k}" for k in range(len(whole))))
        before = find_joints(skeleton)
        assert not before.missing, name
        after = find_joints(without(skeleton, before.bones[joint], below=below))
        assert after.missing, name
        if named:
            assert joint in after.missing, name
            stays = [j for j in REQUIRED if j.split("_")[0] not in joint and j in after.joints]
            assert all(after.bones[j] == before.bones[j] for j in stays), name

"""The rigs of other makers: what they call the 22 joints, and how their controls hang together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ..backend_access import JOINT_NAMES

_CENTRE = ("pelvis", "spine1", "spine2", "spine3", "neck", "head")
_LIMBS = ("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow", "wrist")


@dataclass(frozen=True)
class Switch:
    """A custom property of a bone that decides what other bones follow, and the value we need.

    Attributes:
        joints: whose controls do nothing, or another thing, at other values.
    """

    bone: str
    name: str
    value: float
    joints: tuple[str, ...]


@dataclass(frozen=True)
class Rig:
    """The names that a kind of rig gives to the 22 joints, as it spells them.

    A skeleton needs no more than ``bones``. In a control rig the bones that are keyed are not the
    ones that deform: they hang together through helpers and constraints, in a way that the other
    attributes describe.

    Attributes:
        bones: joint to the bone that is keyed.
        places: joint to the bone that begins at it, where the keyed bone begins elsewhere.
        played: joint to the bone that turns as the joint does, whatever controls move the body.
        mover: the bone that carries the whole body and is moved in place of the pelvis. Controls
            between it and the pelvis' hang on it upside down: see :func:`settle`.
        follows: helper to the control that a constraint makes it follow, instead of its parent.
        mixes: helpers that follow two controls by halves, so that no limb may hang on them.
        switches: what must be set for the controls to hang together as their parents say.
        still: controls that bend the body on top of the keyed ones, and must be at rest.
        needs: what to do about a rig that lacks some of this.
    """

    name: str
    bones: dict[str, str]
    places: dict[str, str] = field(default_factory=dict)
    played: dict[str, str] = field(default_factory=dict)
    mover: str = ""
    follows: dict[str, str] = field(default_factory=dict)
    mixes: tuple[str, ...] = ()
    switches: tuple[Switch, ...] = ()
    still: tuple[str, ...] = ()
    needs: str = ""

    @property
    def helpers(self) -> tuple[str, ...]:
        """Bones that the rig must have besides those that are keyed."""
        names = (
            *((self.mover,) if self.mover else ()),
            *self.places.values(),
            *self.played.values(),
            *self.follows,
            *(switch.bone for switch in self.switches),
            *self.still,
        )
        return tuple(name for name in dict.fromkeys(names) if name not in self.bones.values())

    @property
    def moved_joint(self) -> str:
        """The joint whose bone takes the location."""
        return next((j for j, bone in self.bones.items() if bone == self.mover), JOINT_NAMES[0])


def settle(rig: Rig, parent_of: Callable[[str], str | None]) -> Rig:
    """A control rig with its mover in the place of the control that hangs next below it.

    On the way from the mover to the pelvis lie the lower controls of the spine. The mover turns
    all of the body; so it takes the turns of the nearest one, which itself stays at rest.

    Args:
        parent_of: the name of a bone's parent.
    """
    joints = {bone: joint for joint, bone in rig.bones.items()}
    nearest = bone = rig.bones["pelvis"] if rig.mover else None
    while bone is not None and bone != rig.mover:
        nearest, bone = bone if bone in joints else nearest, parent_of(bone)
    if nearest is None or bone is None:
        return rig
    bones = {**rig.bones, joints[nearest]: rig.mover}
    return replace(rig, bones=bones, still=(*rig.still, nearest))


def _joints(centre: str, limbs: str, pattern: str, left: str, right: str) -> dict[str, str]:
    """Bones from their words: ``pattern`` makes a bone's name of a ``word`` and a ``side``."""
    bones = dict(zip(_CENTRE, centre.split(), strict=True))
    for side, letter in (("left", left), ("right", right)):
        for joint, word in zip(_LIMBS, limbs.split(), strict=True):
            bones[f"{side}_{joint}"] = pattern.format(word=word, side=letter)
    return bones


def _rigify() -> Rig:
    """What Rigify of Blender 4.2 to 5.x generates from its human metarigs.

    With these switches nothing but the parents decides what an FK control follows: limbs are in
    FK and follow the body instead of the root, neck and head follow the chest instead of the torso.
    """
    bones = _joints(
        "spine_fk spine_fk.001 spine_fk.002 spine_fk.003 neck head",
        "thigh_fk shin_fk foot_fk toe_fk shoulder upper_arm_fk forearm_fk hand_fk",
        *("{word}.{side}", "L", "R"),
    )
    limbs = {
        f"{bone}_parent.{letter}": tuple(f"{side}_{joint}" for joint in joints)
        for side, letter in (("left", "L"), ("right", "R"))
        for bone, joints in (("thigh", _LIMBS[:4]), ("upper_arm", _LIMBS[5:]))
    }
    limb_joints = [joint for joints in limbs.values() for joint in joints]
    return Rig(
        "Rigify",
        bones,
        places={
            "pelvis": "ORG-spine",
            **{f"spine{number}": f"ORG-spine.00{number}" for number in (1, 2, 3)},
        },
        played={
            **{joint: bones[joint] for joint in _CENTRE},
            **{joint: f"ORG-{bones[joint].replace('_fk', '')}" for joint in limb_joints},
        },
        mover="torso",
        follows={f"ORG-shoulder.{side}": f"shoulder.{side}" for side in "LR"},
        mixes=("MCH-pivot",),
        switches=(
            *(Switch(limb, "IK_FK", 1.0, joints) for limb, joints in limbs.items()),
            *(Switch(limb, "FK_limb_follow", 0.0, joints) for limb, joints in limbs.items()),
            Switch("torso", "neck_follow", 1.0, ("neck",)),
            Switch("torso", "head_follow", 1.0, ("head",)),
        ),
        still=("hips", "chest"),
        needs="Generate the rig again with Rigify of Blender 4.2 or later, from a human metarig "
        "whose spine has FK Controls and the pivot position 1 or 2.",
    )


_UNREAL_LIMBS = "thigh calf foot ball clavicle upperarm lowerarm hand"
RIGS = (
    Rig(
        "Mixamo",
        _joints(
            "Hips Spine Spine1 Spine2 Neck Head",
            "UpLeg Leg Foot ToeBase Shoulder Arm ForeArm Hand",
            *("{side}{word}", "Left", "Right"),
        ),
    ),
    Rig(
        "Unreal 5",
        _joints(
            "pelvis spine_01 spine_03 spine_05 neck_01 head",
            _UNREAL_LIMBS,
            *("{word}_{side}", "l", "r"),
        ),
    ),
    Rig(
        "Unreal 4",
        _joints(
            "pelvis spine_01 spine_02 spine_03 neck_01 head",
            _UNREAL_LIMBS,
            *("{word}_{side}", "l", "r"),
        ),
    ),
    Rig(
        "VRoid",
        _joints(
            "J_Bip_C_Hips J_Bip_C_Spine J_Bip_C_Chest J_Bip_C_UpperChest J_Bip_C_Neck J_Bip_C_Head",
            "UpperLeg LowerLeg Foot ToeBase Shoulder UpperArm LowerArm Hand",
            *("J_Bip_{side}_{word}", "L", "R"),
        ),
    ),
    Rig(
        "Rigify metarig",
        _joints(
            "spine spine.001 spine.002 spine.003 spine.004 spine.006",
            "thigh shin foot toe shoulder upper_arm forearm hand",
            *("{word}.{side}", "L", "R"),
        ),
    ),
    _rigify(),
)
"""Rigs of other makers, those that ask for more bones before those that ask for fewer."""

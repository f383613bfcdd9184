"""Rigs that are known by name: one JSON file each, in ``presets/`` or in a folder of the user's.

A preset names the bones of the joints. That of a control rig says besides how its controls hang
together; see :class:`Rig`. Adding one is adding a file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from pathlib import Path

from ...errors import FormatError
from ...wire.skeleton import JOINT_NAMES
from .joint_map import JointMap

_PREFIX = re.compile(r"^(?:[mfn]_avg_|smpl[xh]?[_-]|mixamorig\d*_)", re.IGNORECASE)
"""The SMPL FBX files name their bones ``m_avg_Pelvis`` and ``f_avg_Pelvis``; some importers write
Mixamo's ``mixamorig:`` with an underscore."""
_PARTLY, _MOSTLY = 0.3, 0.75
"""A control rig that has this share of its controls (with and without the one that moves it) is
one, and tells what it lacks."""


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
    """Which bones are keyed for the joints of one armature, and how they hang together.

    A skeleton needs no more than ``bones``. In a control rig the bones that are keyed are not the
    ones that deform: they hang together through helpers and constraints, in a way that the other
    attributes describe.

    Attributes:
        name: of the kind of rig; "" for one that was recognised by its shape or mapped by hand.
        bones: joint to the bone that is keyed. Joints may be absent.
        own_shape: the body is SMPL's own: small differences from its T-pose are the body's shape,
            in another maker's rig they are a difference of the pose.
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
    bones: Mapping[str, str]
    own_shape: bool = False
    places: Mapping[str, str] = field(default_factory=dict)
    played: Mapping[str, str] = field(default_factory=dict)
    mover: str = ""
    follows: Mapping[str, str] = field(default_factory=dict)
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
        return tuple(n for n in dict.fromkeys(names) if n not in self.bones.values())

    @property
    def moved_joint(self) -> str:
        """The joint whose bone takes the location."""
        return next((j for j, bone in self.bones.items() if bone == self.mover), JOINT_NAMES[0])

    def lacks(self, names: Iterable[str]) -> list[str]:
        """Bones of a control rig that are not among these."""
        there = set(names)
        return [b for b in (*self.bones.values(), *self.helpers) if b not in there]


@dataclass(frozen=True)
class Preset:
    """One file: a rig, and the names that each joint may have in it.

    Attributes:
        order: presets with small numbers are tried first.
    """

    rig: Rig
    options: Mapping[str, tuple[str, ...]]
    order: int = 100

    @classmethod
    def from_dict(cls, data: object, source: str) -> Preset:
        """What a file says; :class:`FormatError` names what is wrong."""
        try:
            assert isinstance(data, Mapping)
            options = {
                joint: (names,) if isinstance(names, str) else tuple(map(str, names))
                for joint, names in data["joints"].items()
            }
            unknown = [joint for joint in options if joint not in JOINT_NAMES]
            if unknown or not all(options.values()):
                raise ValueError(
                    f"no joint {unknown[0]!r}" if unknown else "a joint without a name"
                )
            rig = Rig(
                str(data["name"]),
                {joint: options[joint][0] for joint in JOINT_NAMES if joint in options},
                bool(data.get("own_shape", False)),
                dict(data.get("places", {})),
                dict(data.get("played", {})),
                str(data.get("mover", "")),
                dict(data.get("follows", {})),
                tuple(data.get("mixes", ())),
                tuple(
                    Switch(s["bone"], s["name"], float(s["value"]), tuple(s["joints"]))
                    for s in data.get("switches", ())
                ),
                tuple(data.get("still", ())),
                str(data.get("needs", "")),
            )
            return cls(rig, options, int(data.get("order", 100)))
        except (AssertionError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise FormatError(
                f"{source} is no preset of a rig ({error}).",
                "It needs a name, and under joints the bone of each joint.",
            ) from error

    def found(self, by_name: Mapping[str, str]) -> dict[str, str]:
        """Joint to the bone that is there, by canonical names."""
        found = {}
        for joint in JOINT_NAMES:
            for name in self.options.get(joint, ()):
                bone = by_name.get(canonical(name))
                if bone is not None:
                    found[joint] = bone
                    break
        return found


@lru_cache(maxsize=8192)
def canonical(bone_name: str) -> str:
    """A bone name without namespace, prefix, case and separator differences."""
    name = _PREFIX.sub("", re.split(r"[:|]", bone_name)[-1])
    return re.sub(r"[\s.\-]+", "_", name).lower()


def read_presets(folder: Path) -> list[Preset]:
    """The presets of a folder, in their order.

    Raises:
        FormatError: a file is no preset.
    """
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise FormatError(
                f"{path.name} cannot be read: {error}.", "Repair or remove the file."
            ) from error
        found.append(Preset.from_dict(data, path.name))
    return sorted(found, key=lambda preset: preset.order)


@cache
def shipped() -> tuple[Preset, ...]:
    """The presets that come with Kinetype."""
    return tuple(read_presets(Path(__file__).parent / "presets"))


def recognise(names: Iterable[str], presets: Iterable[Preset] | None = None) -> Rig | None:
    """The rig that these bones are by their names; None if no preset says so.

    A control rig that lacks some of its controls is still that rig (see :meth:`Rig.lacks`); a
    skeleton must have all joints of its preset.
    """
    by_name: dict[str, str] = {}
    for name in names:
        by_name.setdefault(canonical(name), name)
    for preset in shipped() if presets is None else presets:
        found = preset.found(by_name)
        if len(found) == len(preset.options):
            return replace(preset.rig, bones=found)
        moved = bool(preset.rig.mover) and canonical(preset.rig.mover) in by_name
        share = len(found) / len(preset.options)
        if preset.rig.mover and share >= (_PARTLY if moved else _MOSTLY):
            return replace(preset.rig, bones={**preset.rig.bones, **found})
    return None


def map_of_preset(data: object, source: str, names: Iterable[str]) -> JointMap:
    """The map that a preset's content gives a skeleton with these bones.

    Raises:
        FormatError: it is no preset; ``source`` names it.
    """
    by_name: dict[str, str] = {}
    for name in names:
        by_name.setdefault(canonical(name), name)
    preset = Preset.from_dict(data, source)
    return JointMap.of(preset.found(by_name), "", f"named as in {preset.rig.name}")


def of_map(joints: JointMap) -> Rig:
    """The rig that a map of joints describes."""
    return Rig(joints.kind, joints.bones)


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

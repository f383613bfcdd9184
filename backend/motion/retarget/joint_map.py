"""Which bone is which joint: the table that a person sees, changes and keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from ...errors import FormatError
from ...wire.skeleton import JOINT_NAMES

REQUIRED = (
    "pelvis",
    *(f"{side}_{part}" for part in ("hip", "knee") for side in ("left", "right")),
    *(f"{side}_{part}" for part in ("shoulder", "elbow") for side in ("left", "right")),
)
"""Joints without which there is no body; besides these a head or a bone of the spine."""
TRUNK = ("head", "neck", "spine3", "spine2", "spine1")
VERSION = 1
BY_HAND = "chosen by hand"


@dataclass(frozen=True)
class Assignment:
    """The bone of one joint.

    Attributes:
        confidence: 0 to 1.
        reason: why this bone, in a few words.
    """

    bone: str
    confidence: float = 1.0
    reason: str = BY_HAND


@dataclass(frozen=True)
class JointMap:
    """SMPL joints to bones; joints may be absent.

    Attributes:
        joints: joint name to its bone, in the order of the joints.
        kind: the preset that it comes from, "" if it was found or made by hand.
    """

    joints: Mapping[str, Assignment] = field(default_factory=dict)
    kind: str = ""

    @classmethod
    def of(cls, bones: Mapping[str, str], kind: str = "", reason: str = BY_HAND) -> JointMap:
        """A map from plain names, sure of each."""
        return cls({j: Assignment(bones[j], 1.0, reason) for j in JOINT_NAMES if j in bones}, kind)

    @property
    def bones(self) -> dict[str, str]:
        """Joint name to bone name."""
        return {joint: found.bone for joint, found in self.joints.items()}

    @property
    def missing(self) -> list[str]:
        """What is needed and not there; empty for a body that can be moved."""
        absent = [joint for joint in REQUIRED if joint not in self.joints]
        if not any(joint in self.joints for joint in TRUNK):
            absent.append("head or spine")
        return absent

    @property
    def confidence(self) -> float:
        """Of the least certain of the required joints; 0 when one is missing."""
        if self.missing:
            return 0.0
        return min(self.joints[joint].confidence for joint in REQUIRED)

    def with_bone(self, joint: str, bone: str | None) -> JointMap:
        """The map with another bone for a joint, or none."""
        joints = dict(self.joints)
        joints.pop(joint, None)
        if bone:
            joints = {j: a for j, a in joints.items() if a.bone != bone}
            joints[joint] = Assignment(bone)
        return replace(self, joints={j: joints[j] for j in JOINT_NAMES if j in joints})

    def limited_to(self, bones: Iterable[str]) -> JointMap:
        """The map without bones that a skeleton does not have."""
        there = set(bones)
        kept = {joint: a for joint, a in self.joints.items() if a.bone in there}
        return replace(self, joints=kept)

    def describe(self) -> str:
        """What was found and what is missing, in one or two sentences."""
        missing = self.missing
        count = len(self.joints)
        text = f"{count} of {len(JOINT_NAMES)} joints were found"
        if not missing:
            return f"{text}."
        legless = all(
            f"{side}_{p}" in missing for side in ("left", "right") for p in ("hip", "knee")
        )
        what = "it has no legs" if legless and count else f"{', '.join(missing)} missing"
        if legless and count and len(missing) > 4:
            others = [m for m in missing if not m.endswith(("_hip", "_knee"))]
            what += f", and {', '.join(others)} missing"
        return f"{text}; {what.replace('_', ' ')}."

    def to_dict(self) -> dict:
        """For a JSON file."""
        return {
            "version": VERSION,
            "kind": self.kind,
            "joints": {
                joint: {"bone": a.bone, "confidence": round(a.confidence, 3), "reason": a.reason}
                for joint, a in self.joints.items()
            },
        }

    @classmethod
    def from_dict(cls, data: object) -> JointMap:
        """The map of :meth:`to_dict`, or of a plain ``{joint: bone}`` under ``joints``.

        Raises:
            FormatError: something else.
        """
        hint = "Save the mapping again from the list of joints."
        joints = data.get("joints") if isinstance(data, Mapping) else None
        if not isinstance(joints, Mapping):
            raise FormatError("This is no mapping of joints to bones.", hint)
        found: dict[str, Assignment] = {}
        for joint in JOINT_NAMES:
            value = joints.get(joint)
            if isinstance(value, str) and value:
                found[joint] = Assignment(value)
            elif isinstance(value, Mapping) and isinstance(value.get("bone"), str):
                try:
                    sure = float(value.get("confidence", 1.0))
                except (TypeError, ValueError) as error:
                    raise FormatError(f"The confidence of {joint!r} is no number.", hint) from error
                sure = min(max(sure, 0.0), 1.0) if sure == sure else 0.0
                found[joint] = Assignment(value["bone"], sure, str(value.get("reason", BY_HAND)))
            elif value is not None:
                raise FormatError(f"The bone of {joint!r} is no name.", hint)
        unknown = [str(joint) for joint in joints if joint not in JOINT_NAMES]
        if unknown:
            raise FormatError(f"There is no joint called {unknown[0]!r}.", hint)
        twice = [a.bone for a in found.values()]
        if len(set(twice)) < len(twice):
            bone = next(b for b in twice if twice.count(b) > 1)
            raise FormatError(f"The bone {bone!r} stands for two joints.", hint)
        return cls(found, str(data.get("kind", "")) if isinstance(data, Mapping) else "")

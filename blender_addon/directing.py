"""What a person wants of a character's next motion, kept with its object: prompts in time, poses,
pins, a path. All of it may come from a stranger's .blend, so reading it never trusts it.
"""

from __future__ import annotations

import atexit
import json
import re
import uuid
from collections.abc import Sequence
from typing import Any

import bpy
import numpy as np
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from .backend_access import MOTION_DIM, InvalidRequest, limits
from .scene import action as actions
from .scene.directed import DIRECTED_KEY
from .scene.posing import KeptPose

OBJECT_PROPERTY = "kinetype_directing"
MAX_WISHES = 64
"""More in one list are not read."""
MAX_FRAME = 1_048_574
"""Blender's own last frame."""
MAX_POSE_CHARS = 60_000
"""Of a stored pose: a body of a thousand bones has fewer."""
MAX_METRES = 1e4
"""Poses farther away than this are no poses."""
PINNED = {
    "left-hand": "Left Hand",
    "right-hand": "Right Hand",
    "left-foot": "Left Foot",
    "right-foot": "Right Foot",
}
"""Limbs of the wire, as people call them."""
UNKNOWN = -1.0
"""Deviation of what was not made yet."""


def _frame(name: str, description: str, default: int = 1) -> bpy.props.IntProperty:
    return IntProperty(
        name=name, description=description, default=default, min=-MAX_FRAME, max=MAX_FRAME
    )


def _is_place(_group: bpy.types.PropertyGroup, candidate: bpy.types.Object) -> bool:
    return candidate.type != "ARMATURE"


def _is_curve(_group: bpy.types.PropertyGroup, candidate: bpy.types.Object) -> bool:
    return candidate.type == "CURVE"


class KinetypeWish(bpy.types.PropertyGroup):
    """A pose, a pinned limb or a path of the next motion"""

    uid: StringProperty(
        name="Identity", description="Tells this entry from others", options={"HIDDEN"}
    )
    kind: EnumProperty(
        name="Kind",
        description="What is wanted",
        items=[
            ("POSE", "Pose", "The whole body in a pose on one frame", "ARMATURE_DATA", 0),
            ("PIN", "Pin", "A hand or foot at an object over some frames", "PINNED", 1),
            ("PATH", "Path", "The way of the body along a curve on the floor", "CURVE_PATH", 2),
        ],
    )
    enabled: BoolProperty(
        name="Use", description="Whether the next motion is made with it", default=True
    )
    frame: _frame("Frame", "The frame of the pose, or the first of the pin or path")
    last: _frame("To", "The last frame of the pin or path", 60)
    strength: FloatProperty(
        name="Strength",
        description="How far the motion is brought there: at half, half the way",
        default=1.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )
    limb: EnumProperty(
        name="Limb",
        description="What is pinned: the wrist of a hand, the ankle of a foot",
        items=[
            (limb, title, f"The {title.lower()} follows the object")
            for limb, title in PINNED.items()
        ],
    )
    goal: PointerProperty(
        name="Object",
        description="Where the hand or foot is; it may move",
        type=bpy.types.Object,
        poll=_is_place,
    )
    curve: PointerProperty(
        name="Curve",
        description="The way on the floor; of several splines the first",
        type=bpy.types.Object,
        poll=_is_curve,
    )
    facing: EnumProperty(
        name="Facing",
        description="Where the body looks on its way",
        items=[
            ("WAY", "Along the Way", "Ahead along the curve"),
            ("FIXED", "One Direction", "The same way throughout, as when walking sideways"),
            ("FREE", "Free", "As the model makes it"),
        ],
    )
    heading: FloatProperty(
        name="Direction",
        description="Away from where the character faces at rest; positive is to its left",
        default=0.0,
        min=-2 * np.pi,
        max=2 * np.pi,
        subtype="ANGLE",
    )
    own_speed: BoolProperty(
        name="Set Speed",
        description="Go at this speed and stop at the end of the curve; otherwise the frames say"
        " how fast",
    )
    speed: FloatProperty(
        name="Speed",
        description="How fast the body goes along the curve",
        default=1.2,
        min=0.05,
        max=12.0,
        soft_max=6.0,
        unit="VELOCITY",
    )
    pose: StringProperty(name="Pose", description="The pose as numbers", options={"HIDDEN"})
    cm: FloatProperty(
        name="Missed by (cm)",
        description="How far the last motion is from it, at worst",
        default=UNKNOWN,
    )
    degrees: FloatProperty(
        name="Missed by (degrees)",
        description="How far the last motion is turned away from it, at worst",
        default=UNKNOWN,
    )


class KinetypePrompt(bpy.types.PropertyGroup):
    """A prompt with its time"""

    prompt: StringProperty(
        name="Prompt",
        description="What the person does in this time",
        default="a person walks forward",
    )
    marker: StringProperty(
        name="Marker", description="Which marker stands for it", options={"HIDDEN"}
    )
    start: _frame("Start", "The frame on which it begins")
    length: IntProperty(
        name="Length",
        description="How many frames it lasts; it ends where the next one begins, and a gap before"
        " the next one is filled by this one",
        default=60,
        min=1,
        max=MAX_FRAME,
    )
    transition: FloatProperty(
        name="Transition",
        description="How long the change from the prompt before takes",
        default=limits.DEFAULT_TRANSITION,
        min=0.0,
        max=4.0,
        step=10,
        precision=2,
        subtype="TIME_ABSOLUTE",
        unit="TIME_ABSOLUTE",
    )


class KinetypeDirecting(bpy.types.PropertyGroup):
    """What a person wants of a character's next motion"""

    wishes: CollectionProperty(
        name="Constraints", description="Poses, pins and a path to meet", type=KinetypeWish
    )
    wish_index: IntProperty(name="Constraint", description="The highlighted entry of the list")
    use_prompts: BoolProperty(
        name="Several Prompts",
        description="Make one motion of the prompts below, each in its time; otherwise of the one"
        " prompt above",
    )
    prompts: CollectionProperty(
        name="Prompts", description="What happens, in order", type=KinetypePrompt
    )
    prompt_index: IntProperty(name="Prompt", description="The highlighted prompt of the list")
    first: _frame("From", "The frame on which the motion begins")
    begin: EnumProperty(
        name="Begin",
        description="The pose in which the motion begins",
        items=[
            ("FREE", "Free", "As the model makes it"),
            ("STANDS", "As It Stands Now", "In the pose and place that are shown when you click"),
            ("ACTION", "As the Action Ends", "On the last frame of the active Action, in its pose"),
        ],
    )
    blend: BoolProperty(
        name="Blend into Action",
        description="The active Action stays before and after the new frames, which are eased into"
        " it; the take is a copy of it",
    )
    keep: EnumProperty(
        name="Keep",
        description="Which frames of the active Action stay as they are",
        items=[
            ("KEYED", "Keyed Frames", "Every frame on which the bones have keys"),
            ("SELECTED", "Selected Keys", "Frames of the keys that are selected in the editor"),
            ("LIST", "List", "The frames that are written below"),
        ],
    )
    kept: StringProperty(
        name="Frames",
        description="Frames and ranges to keep, for example: 1, 20-24, 60",
    )


# Blender 4.2 as a Python module frees the callbacks after Python has ended, and crashes.
atexit.register(KinetypeWish.__annotations__.clear)

CLASSES = (KinetypeWish, KinetypePrompt, KinetypeDirecting)


def attach() -> None:
    """Give every object room for what is wanted of it."""
    setattr(bpy.types.Object, OBJECT_PROPERTY, PointerProperty(type=KinetypeDirecting))


def detach() -> None:
    """Take it away again."""
    delattr(bpy.types.Object, OBJECT_PROPERTY)


def of(character: bpy.types.Object) -> KinetypeDirecting:
    """What is wanted of a character."""
    return getattr(character, OBJECT_PROPERTY)


def add_wish(directing: KinetypeDirecting, kind: str, frame: int) -> KinetypeWish:
    """A new entry, highlighted.

    Raises:
        InvalidRequest: the list is full.
    """
    if len(directing.wishes) >= MAX_WISHES:
        raise InvalidRequest(
            f"The list has {len(directing.wishes)} constraints already.",
            "Delete those that you no longer need.",
        )
    wish = directing.wishes.add()
    wish.uid, wish.kind, wish.frame, wish.last = uuid.uuid4().hex, kind, frame, frame
    directing.wish_index = len(directing.wishes) - 1
    return wish


def wishes_of(directing: KinetypeDirecting) -> list[KinetypeWish]:
    """The entries that count, the path first and then in time; a stranger's thousands do not."""
    found = [wish for wish in directing.wishes[:MAX_WISHES] if wish.enabled]
    return sorted(found, key=lambda wish: (wish.kind != "PATH", wish.frame))


def title_of(wish: KinetypeWish) -> str:
    """How an entry is called in the list and on the take."""
    if wish.kind == "POSE":
        return f"Pose {wish.frame}"
    name = PINNED.get(wish.limb, "Limb") if wish.kind == "PIN" else "Path"
    return f"{name} {wish.frame}–{wish.last}"


def release(character: bpy.types.Object) -> None:
    """Let go of curves and empties that were deleted: a pointer would keep them in the file."""
    for wish in of(character).wishes[:MAX_WISHES]:
        for name in ("goal", "curve"):
            thing = getattr(wish, name)
            if thing is not None and not thing.users_scene:
                setattr(wish, name, None)


# --------------------------------------------------------------------------- what was missed


def missed(take: bpy.types.Action) -> list[dict[str, Any]]:
    """What a take tells of each constraint: ``title``, ``cm`` and ``degrees``, None for unknown."""
    meta = actions.read_description(take) or {}
    found = meta.get(DIRECTED_KEY)
    if not isinstance(found, list):
        return []
    return [
        {
            "title": str(each.get("title") or each.get("type") or "")[:_MAX_TITLE],
            "cm": _number(each.get("cm")),
            "degrees": _number(each.get("degrees")),
            "met": each.get("met") is not False,
        }
        for each in found[: limits.MAX_CONSTRAINTS]
        if isinstance(each, dict)
    ]


def missed_text(cm: float | None, degrees: float | None) -> str:
    """For example "0.4 cm, 1.2°"."""
    told = [] if cm is None else [f"{cm:.1f} cm"]
    return ", ".join(told if degrees is None else [*told, f"{degrees:.1f}°"])


def settled(warnings: Sequence[str], take: bpy.types.Action) -> tuple[str, ...]:
    """Warnings of a backend, what they say of constraints replaced by what the character misses."""
    told = missed(take)
    if not told:
        return tuple(warnings)
    others = [text for text in warnings if not _ABOUT_CONSTRAINTS.match(text)]
    found = [
        f"{each['title'] or 'A constraint'} is missed by "
        f"{missed_text(each['cm'], each['degrees'])}: choose a place, pose or frames that are "
        "easier to reach."
        for each in told
        if not each["met"]
    ]
    return (*others, *found[:_MOST_LINES])


def missed_lines(take: bpy.types.Action) -> list[str]:
    """What a take tells of its constraints, for the panel; the worst where there are many."""
    told = [(each, missed_text(each["cm"], each["degrees"])) for each in missed(take)]
    worst = sorted((pair for pair in told if pair[1]), key=lambda pair: -(pair[0]["cm"] or 0.0))
    return [f"{each['title']}: {text} off" for each, text in worst[:_MOST_LINES]]


def record(character: bpy.types.Object, uids: Sequence[str], take: bpy.types.Action) -> None:
    """Write beside each entry of a character's list how far a take is from it."""
    told = dict(zip(uids, missed(take), strict=False))
    for wish in of(character).wishes[:MAX_WISHES]:
        found = told.get(wish.uid, {}) if wish.uid else {}
        for name in ("cm", "degrees"):
            value = found.get(name)
            setattr(wish, name, UNKNOWN if value is None else value)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value < _MOST:
        return None
    return float(value)


_ABOUT_CONSTRAINTS = re.compile(r"Constraint \d+ \(")
_MAX_TITLE = 80
_MOST_LINES = 6
_MOST = 1e6


# --------------------------------------------------------------------------- poses as text


def pose_text(pose: KeptPose) -> str:
    """A pose as it is kept in a .blend."""
    numbers = {
        "motion": pose.row,
        "pelvis": pose.pelvis,
        **{f"bone {name}": turn for name, turn in pose.turns.items()},
    }
    text = json.dumps({name: np.round(v.astype(float), 6).tolist() for name, v in numbers.items()})
    if len(text) > MAX_POSE_CHARS:  # the row alone says what a motion can
        text = json.dumps(
            {name: np.round(numbers[name], 6).tolist() for name in ("motion", "pelvis")}
        )
    return text


def pose_of(text: str) -> KeptPose:
    """A pose of the text that :func:`pose_text` made.

    Raises:
        InvalidRequest: it is no pose.
    """
    try:
        if len(text) > MAX_POSE_CHARS:
            raise ValueError
        values = json.loads(text)
        row, pelvis = _numbers(values["motion"], MOTION_DIM), _numbers(values["pelvis"], 3)
        turns = {
            name.removeprefix("bone "): _numbers(turn, 4)
            for name, turn in values.items()
            if name.startswith("bone ")
        }
        if any(not 0.5 < np.linalg.norm(turn) < 2.0 for turn in turns.values()):
            raise ValueError
        axes = row[3:].reshape(-1, 3, 2)
        if np.linalg.norm(np.cross(axes[..., 0], axes[..., 1]), axis=-1).min() < 1e-3:
            raise ValueError
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InvalidRequest(
            "The pose of the constraint is damaged.", "Delete it and use the pose again."
        ) from error
    return KeptPose(row, pelvis, turns)


def _numbers(values: object, count: int) -> np.ndarray:
    array = np.asarray(values, np.float64)
    if array.shape != (count,) or not np.isfinite(array).all() or np.abs(array).max() > MAX_METRES:
        raise ValueError
    return array

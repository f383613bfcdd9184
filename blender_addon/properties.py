"""The settings of a generation, kept with the scene; job state is never stored there."""

import atexit
import zlib
from types import SimpleNamespace
from typing import cast

import bpy
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from . import model_list
from .backend_access import limits
from .scene import armature as armatures
from .shape_settings import ShapeSettings

SCENE_PROPERTY = "kinetype"
EXAMPLE_PROMPT = "a person walks forward"
DEFAULT_GUIDANCE = 2.5
"""Where the slider starts once a person overrides the model's own guidance."""
DEFAULT_STEPS = 50
"""Where the field starts once a person overrides the model's own number of steps."""

EDIT_PARTS = [
    ("ALL", "Whole Body", "Every joint, and the path through the room"),
    ("UPPER", "Upper Body", "Spine, head and arms; legs and path stay"),
    ("ARMS", "Arms", "Both arms from the collar bones to the hands"),
    ("LEFT_ARM", "Left Arm", "The left arm from the collar bone to the hand"),
    ("RIGHT_ARM", "Right Arm", "The right arm from the collar bone to the hand"),
    ("HEAD", "Head", "Neck and head"),
    ("SPINE", "Spine", "The back; what hangs on it moves with it"),
    ("LOWER", "Lower Body", "Legs and pelvis, and with it the path through the room"),
    ("LEGS", "Legs", "Both legs; pelvis and path stay"),
]
"""Parts that can be made anew; in lower case the names of ``backend.motion.joint_sets``."""

# Blender keeps only a pointer to the strings of a dynamic enum: this list keeps them alive.
_model_items: list[tuple[str, str, str, int]] = []


def model_number(name: str) -> int:
    """The number that a .blend stores for a model: stable when the list of models changes.

    The default model is 0, which is what Blender takes for a setting that was never touched.
    """
    if name == limits.DEFAULT_MODEL:
        return 0
    return zlib.crc32(name.encode()) & 0x7FFFFFFF


def _models(_settings: bpy.types.PropertyGroup, _context: bpy.types.Context | None) -> list:
    _model_items[:] = [
        (info.name, info.title or info.name, _model_tip(info), model_number(info.name))
        for info in model_list.models()
    ]
    return _model_items


def _model_tip(info: model_list.ModelInfo) -> str:
    text = info.description if info.ready else f"{info.problem} {info.fix}"
    if info.licence:
        text = f"{text} Licence: {info.licence}"
    return f"{text} (commercial use: {info.commercial_use})" if info.commercial_use else text


def _can_be_character(_settings: bpy.types.PropertyGroup, candidate: bpy.types.Object) -> bool:
    return armatures.is_smpl_armature(candidate)


def _take_index(settings: bpy.types.PropertyGroup) -> int:
    """Looked up each time: Actions stand in the order of their names, which changes."""
    return next((i for i, action in enumerate(bpy.data.actions) if action == settings.take), -1)


def _choose_take(settings: bpy.types.PropertyGroup, index: int) -> None:
    settings.take = bpy.data.actions[index] if 0 <= index < len(bpy.data.actions) else None


class KinetypeSettings(ShapeSettings, bpy.types.PropertyGroup):
    """What the panel edits; read once when Generate is clicked."""

    prompt: StringProperty(
        name="Prompt",
        description="What the person does, in one or two sentences",
        default=EXAMPLE_PROMPT,
        options={"TEXTEDIT_UPDATE"},
    )
    seconds: FloatProperty(
        name="Duration",
        description="Length of the motion",
        default=limits.DEFAULT_SECONDS,
        min=limits.MIN_SECONDS,
        max=limits.MAX_SECONDS,
        soft_min=1.0,
        soft_max=10.0,
        step=50,
        precision=1,
        subtype="TIME_ABSOLUTE",
        unit="TIME_ABSOLUTE",
    )
    seed: IntProperty(
        name="Seed",
        description="Start of the random numbers: same prompt, seed and settings, same motion",
        default=0,
        min=limits.MIN_SEED,
        max=limits.MAX_SEED,
    )
    lock_seed: BoolProperty(
        name="Lock Seed",
        description="Keep this seed; otherwise every generation draws a new one",
        default=False,
    )
    samples: IntProperty(
        name="Samples",
        description="How many takes to make; each has its own seed and its own Action",
        default=limits.MIN_SAMPLES,
        min=limits.MIN_SAMPLES,
        max=limits.MAX_SAMPLES,
        soft_max=8,
    )
    keep_best: BoolProperty(
        name="Keep Best",
        description="Make all samples, but keep only the one that matches the prompt best and"
        " slides least; the others are not stored",
        default=False,
    )
    model: EnumProperty(
        name="Model", description="The motion model that answers the prompt", items=_models
    )
    custom_model: StringProperty(
        name="Other Model",
        description="A model folder or a hub id (owner/name); leave empty to use the list",
    )
    use_guidance: BoolProperty(
        name="Set Guidance", description="Use another guidance than the model's own default"
    )
    guidance: FloatProperty(
        name="Guidance",
        description="How strictly the motion follows the prompt; high values exaggerate",
        default=DEFAULT_GUIDANCE,
        min=limits.MIN_GUIDANCE,
        max=limits.MAX_GUIDANCE,
        soft_max=7.5,
        step=10,
        precision=2,
    )
    use_steps: BoolProperty(
        name="Set Steps", description="Use another number of steps than the model's own default"
    )
    steps: IntProperty(
        name="Steps",
        description="Denoising steps: more take longer and can be smoother",
        default=DEFAULT_STEPS,
        min=limits.MIN_STEPS,
        max=limits.MAX_STEPS,
        soft_max=100,
    )
    sampler: EnumProperty(
        name="Sampler",
        description="How noise becomes motion",
        items=[
            ("DEFAULT", "Model Default", "What the model was tuned with"),
            *((name, name.upper(), f"The {name.upper()} sampler") for name in limits.SAMPLERS),
        ],
    )
    cleanup: BoolProperty(
        name="Clean Up",
        description="Keep planted feet still and smooth the motion lightly",
        default=True,
    )
    feet: FloatProperty(
        name="Foot Lock",
        description="How firmly standing feet are held on the floor and in place on this body:"
        " 0 leaves them where the length of its legs puts them",
        default=1.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )
    hands: FloatProperty(
        name="Hand Contact",
        description="How firmly hands that touch the body in the motion (on the hips, on the head,"
        " each other) touch it on this body; 0 leaves them where the length of its arms puts them",
        default=0.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )
    twists: BoolProperty(
        name="Twist Bones",
        description="Twist bones of the arms take their share of the roll; off leaves them to the"
        " rig's own constraints",
        default=False,
    )
    target: EnumProperty(
        name="Target",
        description="What receives the motion",
        items=[
            (
                "AUTO",
                "Character",
                "The selected character, else the one below, else a new mannequin. Armatures that"
                " are no body (props, vehicles) may stay selected",
            ),
            ("NEW", "New Mannequin", "Every motion gets a mannequin of its own, beside the others"),
        ],
    )
    character: PointerProperty(
        name="Character",
        description="Receives the motion when no character is selected; empty makes a mannequin",
        type=bpy.types.Object,
        poll=_can_be_character,
    )
    edit_frames: EnumProperty(
        name="Frames",
        description="When the motion is made anew",
        items=[
            ("ALL", "All Frames", "From the first key to the last"),
            ("RANGE", "Range", "Between two frames; what lies before and after stays"),
            ("AFTER", "After the End", "All of it stays and goes on after its last key"),
        ],
        default="RANGE",
    )
    edit_first: IntProperty(
        name="From", description="First frame that is made anew", default=30, soft_min=0
    )
    edit_last: IntProperty(
        name="To", description="Last frame that is made anew", default=60, soft_min=0
    )
    edit_seconds: FloatProperty(
        name="Duration",
        description="How long the motion goes on",
        default=3.0,
        min=0.1,
        max=limits.MAX_SECONDS,
        soft_max=10.0,
        step=50,
        precision=1,
        subtype="TIME_ABSOLUTE",
        unit="TIME_ABSOLUTE",
    )
    edit_part: EnumProperty(
        name="Body",
        description="What of the body is made anew; the rest keeps its keys",
        items=EDIT_PARTS,
    )
    takes_all: BoolProperty(
        name="All Characters", description="List the takes of all characters, not of this one only"
    )
    takes_starred: BoolProperty(name="Starred", description="List only takes with a star")
    take: PointerProperty(
        name="Take", description="The take highlighted in the list", type=bpy.types.Action
    )
    take_index: IntProperty(
        name="Take",
        description="Where the highlighted take stands among the Actions of the file",
        get=_take_index,
        set=_choose_take,
        options={"SKIP_SAVE"},
    )


# Blender 4.2 as a Python module frees the callbacks among these properties after Python has ended,
# and crashes, even where the class was unregistered.
atexit.register(KinetypeSettings.__annotations__.clear)

CLASSES = (KinetypeSettings,)


def attach() -> None:
    """Give every scene its settings."""
    setattr(bpy.types.Scene, SCENE_PROPERTY, PointerProperty(type=KinetypeSettings))


def detach() -> None:
    """Take the settings away again."""
    delattr(bpy.types.Scene, SCENE_PROPERTY)
    _model_items.clear()


def settings_of(scene: bpy.types.Scene) -> KinetypeSettings:
    """The settings of a scene."""
    return getattr(scene, SCENE_PROPERTY)


def frozen(settings: KinetypeSettings) -> KinetypeSettings:
    """The values of now, which later changes do not reach; without pointers to other data."""
    values = {
        name: getattr(settings, name)
        for name, about in settings.bl_rna.properties.items()
        if about.type != "POINTER"
    }
    return cast(KinetypeSettings, SimpleNamespace(**values))

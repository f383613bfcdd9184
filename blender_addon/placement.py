"""Where a result belongs, and putting it there: all or nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import bpy

from . import directing, handlers, mannequins
from .backend_access import Motion, Result
from .jobs import REQUEST_KEY
from .properties import settings_of
from .scene import action as actions
from .scene import armature as armatures
from .scene import compat, controls, holding, keying, mapping
from .scene.directed import Direction
from .scene.lookup import by_uid
from .scene.reading import Performance
from .scene.turns import Turns, at_once

MODES_WITH_GLOBAL_UNDO = ("OBJECT", "POSE")
"""Other modes keep an undo history of their own, which an undo step of ours would confuse."""
_TRANSFORMS = ("TRANSFORM_OT_", "POSE_OT_", "GRAPH_OT_")
"""Modal operators that hold on to what they change: moves, and the sliders of poses and curves."""


@dataclass(frozen=True)
class Placement:
    """Taken when Generate is clicked. Blender data is remembered by number, never held.

    Attributes:
        target: session number of the armature; None where there was none yet.
        always_new: the person asked for a mannequin of its own.
        start_frame: frame of the first key.
        source: the Action of which the result is an edit.
        played: see :class:`Performance`.
        made: session number of the mannequin that :func:`with_mannequin` made for it.
        direction: what is wanted besides words.
    """

    file: int
    scene: int
    scene_name: str
    target: int | None
    target_name: str
    start_frame: int
    always_new: bool = False
    source: int | None = None
    played: bool = False
    made: int | None = None
    direction: Direction | None = None

    def of(self, performance: Performance) -> Placement:
        """The place of an edit of a performance."""
        return replace(
            self,
            start_frame=performance.start_frame,
            source=performance.action.session_uid,
            played=performance.played,
        )


@dataclass(frozen=True)
class Placed:
    """What :func:`place` made.

    Attributes:
        message: says if it is not quite what was asked for.
        warning: why the person may see nothing of it, or what else it changed for them.
        unseen: the warning is the former, which the person may end.
    """

    armature: bpy.types.Object
    takes: tuple[bpy.types.Action, ...]
    message: str = ""
    warning: str = ""
    unseen: bool = False


def find_target(context: bpy.types.Context) -> bpy.types.Object | None:
    """The armature that the next motion goes to; None for a new mannequin.

    Raises:
        ArmatureError: an armature is active that cannot take a motion.
    """
    return None if settings_of(context.scene).target == "NEW" else find_character(context)


def find_character(context: bpy.types.Context) -> bpy.types.Object | None:
    """The armature that a person means: the active one, else the character of the settings.

    An armature that is no body (a prop's, a car's) does not count. A character that lacks some
    joints counts while it is selected: deselecting all leaves it active.

    Raises:
        ArmatureError: it cannot take a motion.
    """
    active = context.active_object
    shown = active
    if active is not None and active.type == "MESH":
        # a body stands for the armature that it wears: never another target than what is shown
        shown = active.find_armature() or active.parent
    if active is not None and shown is not None and shown.type == "ARMATURE":
        selected = active.select_get() and mapping.seems_body(shown)
        if selected or mapping.is_body(shown):
            armatures.find_bones(shown)
            return armatures.editable(shown)
    character = settings_of(context.scene).character
    if character is not None and context.scene.objects.get(character.name) == character:
        armatures.find_bones(character)
        return armatures.editable(character)
    return None


def shown_armature(context: bpy.types.Context) -> bpy.types.Object | None:
    """The armature that a person looks at, whether it can take a motion or not."""
    active = context.active_object
    if active is not None and active.type == "MESH":
        active = active.find_armature() or active.parent
    if active is not None and active.type == "ARMATURE":
        return active
    character = settings_of(context.scene).character
    return character if character is not None and character.type == "ARMATURE" else None


def capture(context: bpy.types.Context, *, start_frame: int | None = None) -> Placement:
    """Where a result belongs if it is asked for now; :class:`ArmatureError` as find_target."""
    target = find_target(context)
    scene = context.scene
    return Placement(
        file=handlers.file_token(),
        scene=scene.session_uid,
        scene_name=scene.name,
        target=None if target is None else target.session_uid,
        target_name="" if target is None else target.name,
        start_frame=scene.frame_current if start_frame is None else start_frame,
        always_new=settings_of(scene).target == "NEW",
    )


def capture_edit(context: bpy.types.Context, armature: bpy.types.Object) -> Placement:
    """Where an edit of what an armature performs belongs; see :meth:`Placement.of`."""
    return replace(
        capture(context),
        target=armature.session_uid,
        target_name=armature.name,
        always_new=False,
    )


def reason_to_wait(context: bpy.types.Context, placement: Placement) -> str:
    """Why the result cannot be put into the scene at this moment, or ''."""
    if bpy.app.is_job_running("RENDER"):
        return "Waiting for the render to end"
    if context.mode not in MODES_WITH_GLOBAL_UNDO:
        return "Go back to Object Mode to receive the motion"
    if any(_is_transform(operator) for operator in _modal_operators(context)):
        return "Waiting for the transform to end"
    scene = by_uid(bpy.data.scenes, placement.scene)
    if scene is not None and scene != context.scene and _alive_target(placement) is None:
        return f"Go back to the scene {placement.scene_name!r} to receive the motion"
    return ""


def reason_to_keep(placement: Placement) -> str:
    """Why only the person can say where the result belongs, or ''."""
    if placement.file != handlers.file_token():
        return "A motion was made for another file"
    if by_uid(bpy.data.scenes, placement.scene) is None:
        return f"The scene {placement.scene_name!r} is gone"
    return ""


def _modal_operators(context: bpy.types.Context) -> Iterator[bpy.types.Operator]:
    for window in context.window_manager.windows:
        yield from window.modal_operators


def _is_transform(operator: bpy.types.Operator) -> bool:
    """Whether an operator moves things under the mouse; duplicating hides the move in a macro."""
    names = (operator.bl_idname, *(step.bl_idname for step in operator.macros))
    return any(name.startswith(_TRANSFORMS) for name in names)


def with_mannequin(context: bpy.types.Context, placement: Placement) -> Placement:
    """Where a result belongs, once the mannequin that it needs is made; the same if it needs none.

    Apart from :func:`place`, so that the timer can do the two at different moments.
    """
    scene = by_uid(bpy.data.scenes, placement.scene) or context.scene
    there = placement.made is not None and by_uid(bpy.data.objects, placement.made) is not None
    if there or _receiver(scene, placement) is not None:
        return placement
    made = settings_of(scene).character = mannequins.create(context)
    return replace(placement, made=made.session_uid)


def receiver(context: bpy.types.Context, placement: Placement) -> bpy.types.Object | None:
    """What gets the motion, a mannequin that was made for it included; None before that."""
    scene = by_uid(bpy.data.scenes, placement.scene) or context.scene
    made = None if placement.made is None else by_uid(bpy.data.objects, placement.made)
    return _receiver(scene, placement) or made


def _receiver(scene: bpy.types.Scene, placement: Placement) -> bpy.types.Object | None:
    """What gets the motion, if it is there already."""
    if placement.target is None and not placement.always_new:
        return _made_meanwhile(scene)
    return _alive_target(placement)


def place(context: bpy.types.Context, result: Result, placement: Placement) -> Placed:
    """Key every motion of a result as a take of the target; the first one becomes active.

    A deleted target is replaced by a new mannequin. When anything fails the file is as before.

    Raises:
        ArmatureError: the target lost its bones. FormatError: broken motion data.
    """
    return at_once(place_in_turns(context, result, placement, []))


def place_in_turns(
    context: bpy.types.Context, result: Result, placement: Placement, made_takes: list[int]
) -> Turns[Placed]:
    """:func:`place` with a turn for each take.

    Args:
        made_takes: gets the session numbers of the takes that are in the scene.
    """
    scene = by_uid(bpy.data.scenes, placement.scene) or context.scene
    settings = settings_of(scene)
    armature = _receiver(scene, placement)
    message = ""
    if armature is None and placement.target is not None:
        message = f"{placement.target_name!r} is gone: the motion is on a new mannequin"
    made = None if placement.made is None else by_uid(bpy.data.objects, placement.made)
    takes: list[bpy.types.Action] = []
    with _all_or_nothing(armature, made, takes) as new:
        armature = armature or made or new(lambda: mannequins.create(context))
        before = controls.unkeyed_switches(armature)
        held = holding.told(armature, armatures.find_rig(armature))
        for motion in result.motions:
            take = yield from _keyed(armature, motion, scene, placement)
            takes.append(take)
            made_takes.append(take.session_uid)
        if len(takes) > 1:
            compat.assign_action(armature, takes[0])
        for take in takes[1:]:  # of the same moment: the list keeps the order of the samples
            take[actions.MADE_KEY] = takes[0][actions.MADE_KEY]
    settings.character = armature
    settings.take = takes[0]
    if placement.direction is not None:
        directing.record(armature, placement.direction.uids, takes[0])
    unseen = armatures.why_unseen(armature)
    warning = unseen or controls.left_behind(before, takes[0]) or held
    return Placed(armature, tuple(takes), message, warning, bool(unseen))


def _keyed(
    armature: bpy.types.Object, motion: Motion, scene: bpy.types.Scene, placement: Placement
) -> Turns[bpy.types.Action]:
    settings = settings_of(scene)
    finish = motion.meta.get("finish")
    finish = finish if isinstance(finish, dict) else {}
    source = None
    if placement.source is not None and armature.session_uid == placement.target:
        source = by_uid(bpy.data.actions, placement.source)
    direction = placement.direction
    # at another rate than it was read at, what was kept would no longer fit the rest
    fitting = math.isclose(actions.scene_fps(scene), motion.fps, rel_tol=1e-5)
    if direction is None and not fitting:
        source = None
    how = keying.Keying(
        scene,
        placement.start_frame,
        # a body in place moves its standing feet, which a foot lock would hold
        0.0 if finish.get("in_place") else settings.feet,
        settings.twists,
        placement.played,
        _constraints_of(motion),
        direction,
        settings.hands,
    )
    take = yield from keying.keyed(armature, motion, source, how)
    if "loop" in finish:  # the frame after the last is the first again
        first, last = take.curve_frame_range
        take.use_frame_range = take.use_cyclic = True
        take.frame_start, take.frame_end = first, last + 1.0
    return take


def _constraints_of(motion: Motion) -> Sequence[Mapping[str, object]]:
    """What was asked of a motion besides words."""
    request = motion.meta.get(REQUEST_KEY)
    found = request.get("constraints", ()) if isinstance(request, dict) else ()
    return found if isinstance(found, list | tuple) else ()


def _alive_target(placement: Placement) -> bpy.types.Object | None:
    if placement.target is None:
        return None
    found = by_uid(bpy.data.objects, placement.target)
    # a deleted object that something still refers to stays in the file, but in no scene
    return found if found is not None and found.users_scene else None


def _made_meanwhile(scene: bpy.types.Scene) -> bpy.types.Object | None:
    """The character that an earlier of several results made: all of them belong to it."""
    character = settings_of(scene).character
    if character is None or scene not in character.users_scene:
        return None
    return character if armatures.is_smpl_armature(character) and character.is_editable else None


@contextmanager
def _all_or_nothing(
    armature: bpy.types.Object | None,
    made: bpy.types.Object | None,
    takes: Sequence[bpy.types.Action],
) -> Iterator[Callable[[Callable[[], bpy.types.Object]], bpy.types.Object]]:
    """Remove again what the block made, and give the armature its action back, if it raises.

    What the person makes while the block is under way stays.

    Args:
        made: goes, too. takes: made by the block.

    Yields:
        What calls a function in the block and remembers what that makes.
    """
    data = bpy.data
    kinds = (data.objects, data.meshes, data.armatures, data.materials)
    news: set[int] = set()
    if made is not None:
        news = {thing.session_uid for one in (made, *made.children) for thing in (one, one.data)}

    def new(make: Callable[[], bpy.types.Object]) -> bpy.types.Object:
        known = {item.session_uid for kind in kinds for item in kind}
        try:
            return make()
        finally:
            now = {item.session_uid for kind in kinds for item in kind}
            news.update(now - known)

    had_data = armature is not None and armature.animation_data is not None
    action = armature.animation_data.action if armature is not None and had_data else None
    slot = compat.slot_of(armature) if armature is not None else None
    try:
        yield new
    except Exception:
        if armature is not None:
            _restore_action(armature, action, slot, had_data)
        for take in takes:
            data.actions.remove(take)
        for kind in kinds:
            for item in [item for item in kind if item.session_uid in news]:
                kind.remove(item)
        raise


def _restore_action(
    armature: bpy.types.Object, action: bpy.types.Action | None, slot: object, had_data: bool
) -> None:
    if not had_data:
        armature.animation_data_clear()
    elif action is not None:
        compat.assign_action(armature, action, slot)
    else:
        armature.animation_data.action = None

"""Several prompts on the timeline: the list, and markers that stand for it."""

from __future__ import annotations

import bpy

from .. import directing
from ..backend_access import InvalidRequest, limits
from ..properties import settings_of
from ..scene.reading import scene_fps
from .direct import _DirectOperator, character_of, trouble

MARKER_CHARS = 60
"""Blender cuts names of markers at 63 bytes."""
DEFAULT_SECONDS = 3.0


def speaking(scene: bpy.types.Scene) -> list[bpy.types.TimelineMarker]:
    """Markers of a scene whose names are words, in order; those that bind a camera are none."""
    found = [
        marker
        for marker in scene.timeline_markers
        if marker.camera is None and any(letter.isalpha() for letter in marker.name)
    ]
    return sorted(found, key=lambda marker: marker.frame)


def marker_name(prompt: str) -> str:
    """A prompt as long as the name of a marker can be."""
    if len(prompt.encode()) <= MARKER_CHARS:
        return prompt
    return prompt.encode()[: MARKER_CHARS - 3].decode(errors="ignore").rstrip() + "…"


class _PromptOperator(_DirectOperator):
    """Shared by the operators on the highlighted prompt."""

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        reason = trouble(context)
        if reason:
            return reason
        return "" if len(directing.of(character_of(context)).prompts) else "There are no prompts"


class KINETYPE_OT_prompt_add(_DirectOperator):
    """Add a prompt after the last one"""

    bl_idname = "kinetype.prompt_add"
    bl_label = "Add Prompt"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: bpy.types.Context) -> None:
        wants, scene = directing.of(character_of(context)), context.scene
        if len(wants.prompts) >= limits.MAX_SEGMENTS:
            raise InvalidRequest(
                f"The list has {len(wants.prompts)} prompts already.", "Delete some of them."
            )
        ends = [prompt.start + prompt.length for prompt in wants.prompts]
        new = wants.prompts.add()
        new.prompt = settings_of(scene).prompt[: limits.MAX_PROMPT_CHARS]
        new.start = max(ends) if ends else scene.frame_current
        new.length = max(1, round(DEFAULT_SECONDS * scene_fps(scene)))
        wants.prompt_index, wants.use_prompts = len(wants.prompts) - 1, True


class KINETYPE_OT_prompt_remove(_PromptOperator):
    """Take the highlighted prompt, and its marker, off the list and the timeline"""

    bl_idname = "kinetype.prompt_remove"
    bl_label = "Remove Prompt"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: bpy.types.Context) -> None:
        wants = directing.of(character_of(context))
        index = min(max(wants.prompt_index, 0), len(wants.prompts) - 1)
        _forget(context.scene, wants.prompts[index])
        wants.prompts.remove(index)
        wants.prompt_index = max(0, min(wants.prompt_index, len(wants.prompts) - 1))


class KINETYPE_OT_prompts_from_markers(_DirectOperator):
    """Read the prompts from the markers of the timeline: each lasts until the next one"""

    bl_idname = "kinetype.prompts_from_markers"
    bl_label = "Prompts from Markers"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        if trouble(context):
            return trouble(context)
        if not speaking(context.scene):
            return "No marker has words: add some in the Timeline (M) and name them (F2)"
        return ""

    def run(self, context: bpy.types.Context) -> None:
        wants, scene = directing.of(character_of(context)), context.scene
        markers = speaking(scene)
        if len(markers) > limits.MAX_SEGMENTS:
            raise InvalidRequest(
                f"There are {len(markers)} markers with words.",
                f"At most {limits.MAX_SEGMENTS} prompts make one motion.",
            )
        whole = {marker_name(prompt.prompt): prompt.prompt for prompt in wants.prompts}
        ends = {prompt.start: prompt.start + prompt.length for prompt in wants.prompts}
        changes = {prompt.start: prompt.transition for prompt in wants.prompts}
        wants.prompts.clear()
        for number, marker in enumerate(markers):
            prompt = wants.prompts.add()
            prompt.prompt = whole.get(marker.name, marker.name)
            prompt.start, prompt.marker = marker.frame, _identity(marker)
            prompt.transition = changes.get(marker.frame, limits.DEFAULT_TRANSITION)
            if number + 1 < len(markers):
                end = markers[number + 1].frame
            else:
                end = ends.get(marker.frame, 0)
            default = marker.frame + round(DEFAULT_SECONDS * scene_fps(scene))
            prompt.length = max(1, (end if end > marker.frame else default) - marker.frame)
        wants.prompt_index, wants.use_prompts = 0, True


class KINETYPE_OT_prompts_to_markers(_PromptOperator):
    """Write the prompts as markers of the timeline, in place of those that were written before"""

    bl_idname = "kinetype.prompts_to_markers"
    bl_label = "Prompts to Markers"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: bpy.types.Context) -> None:
        markers = context.scene.timeline_markers
        for prompt in directing.of(character_of(context)).prompts[: limits.MAX_SEGMENTS]:
            _forget(context.scene, prompt)
            marker = markers.new(marker_name(prompt.prompt), frame=prompt.start)
            prompt.marker = _identity(marker)


def _identity(marker: bpy.types.TimelineMarker) -> str:
    return f"{marker.frame} {marker.name}"


def _forget(scene: bpy.types.Scene, prompt: directing.KinetypePrompt) -> None:
    """Remove the marker that stands for a prompt."""
    markers = scene.timeline_markers
    for marker in [marker for marker in markers if _identity(marker) == prompt.marker]:
        markers.remove(marker)
    prompt.marker = ""


CLASSES = (
    KINETYPE_OT_prompt_add,
    KINETYPE_OT_prompt_remove,
    KINETYPE_OT_prompts_from_markers,
    KINETYPE_OT_prompts_to_markers,
)

"""The list of generation presets, behind the button at the head of the tab."""

from __future__ import annotations

import bpy
from bl_ui.utils import PresetPanel

from ..operators.presets import FOLDER


class KINETYPE_PT_presets(PresetPanel, bpy.types.Panel):
    """Keep and use settings of a generation"""

    bl_label = "Generation Presets"
    preset_subdir = FOLDER
    preset_operator = "script.execute_preset"
    preset_add_operator = "kinetype.preset_add"


CLASSES = (KINETYPE_PT_presets,)

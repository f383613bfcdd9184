"""Where we stand among Blender's own menus and keys, so that F3 finds every button by its name.

F3 lists what stands in menus: the menu Kinetype (in Object, Pose and their context menus) holds the
operators in sections, and in its last one all that no section names.
"""

from __future__ import annotations

import bpy

from . import placement, prompt_history
from .backend_access import load_motion
from .operators import CLASSES as OPERATORS

LABEL = "Kinetype Motion (.npz, .bvh, .npy, .pkl)"
MENU = "KINETYPE_MT_main"
_SHOWN_CHARS = 60

MAIN = (
    *("generate", "cancel", "edit_motion", "randomize_seed"),
    *("add_mannequin", "import_motion", "export_motion"),
)
TAKES = (
    *("take_assign", "take_star", "take_regenerate", "take_reseed", "take_recall"),
    *("take_compare", "compare_end", "take_to_nla", "take_fit_rate", "take_thin"),
    *("take_to_asset", "fit_frame_range", "take_delete", "takes_delete"),
)
BACKEND = (
    *("restart_backend", "stop_backend", "refresh_models", "show_log"),
    *("install_environment", "open_preferences"),
)
ELSEWHERE = ("clean_up", "take_step", "generate_text")
"""What stands in a menu with its choices, or in that of the Text Editor."""


def _draw_all(layout: bpy.types.UILayout, names: tuple[str, ...]) -> None:
    for name in names:
        layout.operator(f"kinetype.{name}")


class KINETYPE_MT_takes(bpy.types.Menu):
    """What can be done with the highlighted take"""

    bl_label = "Takes"

    def draw(self, context: bpy.types.Context) -> None:
        del context
        self.layout.operator_enum("kinetype.take_step", "direction")
        self.layout.separator()
        _draw_all(self.layout, TAKES)


class KINETYPE_MT_clean_up(bpy.types.Menu):
    """Repairs of what the character performs"""

    bl_label = "Clean Up Motion"

    def draw(self, context: bpy.types.Context) -> None:
        del context
        self.layout.operator_enum("kinetype.clean_up", "tool")


class KINETYPE_MT_backend(bpy.types.Menu):
    """Where motions are computed"""

    bl_label = "Motion Backend"

    def draw(self, context: bpy.types.Context) -> None:
        del context
        _draw_all(self.layout, BACKEND)


class KINETYPE_MT_prompts(bpy.types.Menu):
    """Prompts that were asked for last"""

    bl_label = "Earlier Prompts"

    def draw(self, context: bpy.types.Context) -> None:
        del context
        prompts = prompt_history.recent()
        for prompt in prompts:
            shown = prompt if len(prompt) <= _SHOWN_CHARS else f"{prompt[: _SHOWN_CHARS - 1]}…"
            button = self.layout.operator("kinetype.use_prompt", text=shown, translate=False)
            button.prompt = prompt
        if prompts:
            self.layout.separator()
            self.layout.operator("kinetype.forget_prompts", icon="TRASH")
        else:
            self.layout.label(text="None yet")


class KINETYPE_MT_more(bpy.types.Menu):
    """Everything else"""

    bl_label = "More Motion Tools"

    def draw(self, context: bpy.types.Context) -> None:
        del context
        named = {*MAIN, *TAKES, *BACKEND, *ELSEWHERE}
        for cls in OPERATORS:
            idname = getattr(cls, "bl_idname", "")
            name = idname.partition(".")[2]
            if name and name not in named and "INTERNAL" not in getattr(cls, "bl_options", ()):
                self.layout.operator(idname)


class KINETYPE_MT_main(bpy.types.Menu):
    """Type a motion, get keyframes"""

    bl_idname = MENU
    bl_label = "Kinetype"

    def draw(self, context: bpy.types.Context) -> None:
        del context
        _draw_all(self.layout, MAIN)
        self.layout.separator()
        for menu in (
            KINETYPE_MT_takes, KINETYPE_MT_clean_up, KINETYPE_MT_more, KINETYPE_MT_prompts,
            KINETYPE_MT_backend,
        ):  # fmt: skip
            self.layout.menu(menu.__name__)


def _draw_menu(self: bpy.types.Menu, context: bpy.types.Context) -> None:
    del context
    self.layout.separator()
    self.layout.menu(MENU, icon="ARMATURE_DATA")


def _draw_context_menu(self: bpy.types.Menu, context: bpy.types.Context) -> None:
    """Only over a character: other objects have nothing to do with it."""
    if placement.shown_armature(context) is not None:
        _draw_menu(self, context)


def _draw_add(self: bpy.types.Menu, context: bpy.types.Context) -> None:
    del context
    self.layout.operator("kinetype.add_mannequin", text="Kinetype Mannequin", icon="ARMATURE_DATA")


def _draw_text(self: bpy.types.Menu, context: bpy.types.Context) -> None:
    del context
    self.layout.separator()
    self.layout.operator("kinetype.generate_text")


def _draw_import(self: bpy.types.Menu, context: bpy.types.Context) -> None:
    del context
    self.layout.operator("kinetype.import_motion", text=LABEL)


def _draw_export(self: bpy.types.Menu, context: bpy.types.Context) -> None:
    del context
    self.layout.operator("kinetype.export_motion", text="Kinetype Take (.npz, .bvh, .fbx, .glb)")


class KINETYPE_FH_motion(bpy.types.FileHandler):
    """A motion file dropped into the 3D view goes onto the active character"""

    bl_idname = "KINETYPE_FH_motion"
    bl_label = "Kinetype Motion"
    bl_import_operator = "kinetype.import_motion"
    bl_file_extensions = ";".join(load_motion("io.formats").readable())

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        return context.area is not None and context.area.type == "VIEW_3D"


CLASSES = (
    KINETYPE_FH_motion,
    KINETYPE_MT_takes,
    KINETYPE_MT_clean_up,
    KINETYPE_MT_backend,
    KINETYPE_MT_prompts,
    KINETYPE_MT_more,
    KINETYPE_MT_main,
)
_ENTRIES = (
    ("TOPBAR_MT_file_import", _draw_import),
    ("TOPBAR_MT_file_export", _draw_export),
    ("VIEW3D_MT_object", _draw_menu),
    ("VIEW3D_MT_pose", _draw_menu),
    ("VIEW3D_MT_object_context_menu", _draw_context_menu),
    ("VIEW3D_MT_pose_context_menu", _draw_context_menu),
    ("VIEW3D_MT_armature_add", _draw_add),
    ("TEXT_MT_text", _draw_text),
)
_keys: list[tuple[bpy.types.KeyMap, bpy.types.KeyMapItem]] = []


def attach() -> None:
    """Add our entries to Blender's menus, and keys that a person can assign (none is taken)."""
    for menu, draw in _ENTRIES:
        getattr(bpy.types, menu).append(draw)
    config = bpy.context.window_manager.keyconfigs.addon
    if config is None:  # in background mode
        return
    keymap = config.keymaps.new(name="3D View", space_type="VIEW_3D")
    generate = keymap.keymap_items.new("kinetype.generate", "NONE", "PRESS")
    menu_item = keymap.keymap_items.new("wm.call_menu", "NONE", "PRESS")
    menu_item.properties.name = MENU
    _keys.extend([(keymap, generate), (keymap, menu_item)])


def detach() -> None:
    """Take them away again."""
    for keymap, item in _keys:
        keymap.keymap_items.remove(item)
    _keys.clear()
    for menu, draw in reversed(_ENTRIES):
        getattr(bpy.types, menu).remove(draw)

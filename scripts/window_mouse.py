"""The mouse and the keys of a Blender that ``blender_window.drive`` opened: finds buttons, clicks.

Blender does not tell where it draws a button. But it tells the operator of the button under the
mouse (as "Copy Python Command" in the context menu does), so buttons are looked for with the mouse.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bpy

ROW = 9
"""Pixels between two places that are tried; rows of a panel are 20 high."""
COLUMNS = (0.3, 0.7, 0.93, 0.1, 0.5, 0.82, 0.87)
"""Where in the width of a region buttons are looked for, in this order."""

Steps = Iterator[float | None]


def area_of(kind: str, window: Any = None) -> Any:
    """The first area of a kind, in a window or in any."""
    windows = [window] if window is not None else bpy.context.window_manager.windows
    found = [area for one in windows for area in one.screen.areas if area.type == kind]
    return found[0] if found else None


def region_of(area: Any, kind: str) -> Any:
    """The region of a kind in an area."""
    return next(region for region in area.regions if region.type == kind)


def window_of(area: Any) -> Any:
    """The window that shows an area."""
    windows = bpy.context.window_manager.windows
    return next(window for window in windows if area in list(window.screen.areas))


def unfold(shown: set[str], package: str) -> None:
    """Show the sidebar with these panels unfolded (the ends of their names) and the others folded.

    Which panels are folded is for the mouse only, and a panel's header is no button; so let them
    start that way.
    """
    import addon_utils

    addon_utils.disable(package)
    for panel in bpy.types.Panel.__subclasses__():
        _, is_ours, name = panel.__name__.partition("KINETYPE_PT_")
        if is_ours and name != "main":
            panel.bl_options = set() if name in shown else {"DEFAULT_CLOSED"}
    addon_utils.enable(package)
    area_of("VIEW_3D").spaces[0].show_region_ui = True


def package() -> str:
    """The module of the installed extension."""
    enabled = [addon.module for addon in bpy.context.preferences.addons]
    return next(module for module in enabled if module.endswith(".kinetype"))


def _under_mouse(area: Any, region: Any) -> str:
    """The Python command of the button under the mouse; '' without one."""
    bpy.context.window_manager.clipboard = ""
    with bpy.context.temp_override(window=window_of(area), area=area, region=region):
        if bpy.ops.ui.copy_python_command_button.poll():
            bpy.ops.ui.copy_python_command_button()
    return bpy.context.window_manager.clipboard


def click(area: Any, region: Any, command: str) -> Steps:
    """Press the button of an operator (the beginning of its Python command).

    Raises:
        AssertionError: the region shows no such button.
    """
    window = window_of(area)
    for column in COLUMNS:
        x = region.x + int(column * region.width)
        for y in range(region.y + region.height - ROW, region.y, -ROW):
            window.event_simulate(type="MOUSEMOVE", value="NOTHING", x=x, y=y)
            yield 0.0
            if _under_mouse(area, region).startswith(command):
                for value in ("PRESS", "RELEASE"):
                    window.event_simulate(type="LEFTMOUSE", value=value, x=x, y=y)
                    yield 0.02
                return
    raise AssertionError(f"no button of {command} in {area.type}/{region.type}")


def key(area: Any, kind: str, **modifiers: bool) -> Steps:
    """Press a key with the mouse in the middle of an area."""
    window = window_of(area)
    x, y = area.x + area.width // 2, area.y + area.height // 2
    window.event_simulate(type="MOUSEMOVE", value="NOTHING", x=x, y=y)
    yield 0.1
    for value in ("PRESS", "RELEASE"):
        window.event_simulate(type=kind, value=value, x=x, y=y, **modifiers)
        yield 0.1

"""The managed environment: install, cancel, remove, look it over; only ever after a click."""

from __future__ import annotations

from pathlib import Path

import bpy

from .. import doctoring, environment, install_plan, installing, pump, torch_builds
from ..backend_access import package_root
from ..backend_settings import preferences_of
from ..fixes import OfflineError
from ..folders import base_python, environment_folder, expand_home, log_folder
from ..install_plan import Sources
from ..jobs import board
from ..text_lines import draw_lines
from .base import KinetypeOperator

INSTALL_LOG_NAME = "install.log"
CONSENT_WIDTH = 520
SEARCH_INTERVAL = 0.1


def offline_error() -> OfflineError:
    """What to say without online access; not everybody can change it."""
    if getattr(bpy.app, "online_access_override", False):
        hint = "Blender was started in offline mode; start it without that option."
    else:
        hint = "Allow Online Access in Preferences > System > Network."
    return OfflineError("Installing the backend needs the network.", hint)


def sources_of(preferences: bpy.types.AddonPreferences) -> Sources:
    """Where packages come from, by the preferences."""
    wheels = preferences.wheels.strip()
    return Sources(
        index=preferences.package_index.strip(),
        torch_index=preferences.torch_index.strip(),
        proxy=preferences.proxy.strip(),
        wheels=Path(expand_home(bpy.path.abspath(wheels))) if wheels else None,
    )


def consent(context: bpy.types.Context) -> list[tuple[str, str]]:
    """What an installation would do now; reads only."""
    preferences, card = preferences_of(context), torch_builds.search().card
    build = torch_builds.chosen(preferences.torch_build, card)
    name = card.name if card is not None else ""
    folder, python = environment_folder(), base_python(preferences)
    lines = install_plan.consent_lines(folder, python, build, sources_of(preferences), name)
    made_from = environment.made_from(folder)
    if made_from and made_from != {"python": str(python), "build": build.key}:
        lines.append(
            ("Note", "What is there was made from another Python or build: it is replaced.")
        )
    return lines


def _busy() -> str:
    if installing.running():
        return "The installation is under way"
    return "A motion is being generated" if board.jobs else ""


class KINETYPE_OT_install_environment(KinetypeOperator):
    """Make a Python environment for the backend; asks first, with size, source and licences"""

    bl_idname = "kinetype.install_environment"
    bl_label = "Install Backend"
    bl_options = {"INTERNAL"}

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        local = bool(preferences_of(context).wheels.strip())  # then nothing is downloaded
        return _busy() or ("" if local or bpy.app.online_access else str(offline_error()))

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if torch_builds.search().card is None:
            # the driver is asked on a thread; the question to the person follows when it answered
            window = context.window
            bpy.app.timers.register(lambda: _ask_again(window), first_interval=SEARCH_INTERVAL)
            self.report({"INFO"}, "Looking for a graphics card")
            return {"CANCELLED"}
        return context.window_manager.invoke_props_dialog(
            self, width=CONSENT_WIDTH, title="Install the Backend?", confirm_text="Install"
        )

    def draw(self, context: bpy.types.Context) -> None:
        layout, preferences = self.layout, preferences_of(context)
        for name, text in consent(context):
            split = layout.split(factor=0.14)
            split.label(text=name)
            draw_lines(split.column(align=True), text, CONSENT_WIDTH // 8)
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(preferences, "torch_build")
        draw_sources(column, preferences)

    def run(self, context: bpy.types.Context) -> None:
        preferences = preferences_of(context)
        card = torch_builds.search().wait() if preferences.torch_build == "AUTO" else None
        plan = install_plan.make_plan(
            environment_folder(),
            base_python(preferences),
            package_root(),
            log_folder(preferences) / INSTALL_LOG_NAME,
            build=torch_builds.chosen(preferences.torch_build, card),
            sources=sources_of(preferences),
        )
        # a running backend holds files of the environment open
        board.stop_session()
        board.dismiss()
        doctoring.forget()
        installing.start(plan)
        pump.start()


def _ask_again(window: bpy.types.Window) -> float | None:
    if torch_builds.search().card is None:
        return SEARCH_INTERVAL
    with bpy.context.temp_override(window=window):
        if bpy.ops.kinetype.install_environment.poll():
            bpy.ops.kinetype.install_environment("INVOKE_DEFAULT")
    return None


def draw_sources(layout: bpy.types.UILayout, preferences: bpy.types.AddonPreferences) -> None:
    """The fields that say where packages come from."""
    for name in ("package_index", "torch_index", "proxy", "wheels"):
        layout.prop(preferences, name)


class KINETYPE_OT_cancel_install(KinetypeOperator):
    """Stop the installation; installing again takes it up where it was"""

    bl_idname = "kinetype.cancel_install"
    bl_label = "Cancel Installation"
    bl_options = {"INTERNAL"}

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        return "" if installing.running() else "Nothing is being installed"

    def run(self, context: bpy.types.Context) -> None:
        if installing.current is not None:
            installing.current.cancel()
        pump.start()


class KINETYPE_OT_remove_environment(KinetypeOperator):
    """Delete the environment that Kinetype installed"""

    bl_idname = "kinetype.remove_environment"
    bl_label = "Remove Backend"
    bl_options = {"INTERNAL"}

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        ours = environment.is_ours(environment_folder())
        return _busy() or ("" if ours else "No environment is installed")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_confirm(self, event)

    def run(self, context: bpy.types.Context) -> None:
        board.shut_down()
        doctoring.forget()
        environment.remove(environment_folder())


class KINETYPE_OT_look_over(KinetypeOperator):
    """Check everything that the backend needs, and say what to do where something is missing"""

    bl_idname = "kinetype.look_over"
    bl_label = "Check Installation"
    bl_options = {"INTERNAL"}

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        if doctoring.running():
            return "It is being checked"
        preferences = preferences_of(context)
        if preferences.backend == "COMMAND":
            return "An own command is checked where it runs"
        ready = preferences.backend != "MANAGED" or environment.is_ready(environment_folder())
        return "" if ready else "Install the backend first"

    def run(self, context: bpy.types.Context) -> None:
        managed = preferences_of(context).backend == "MANAGED"
        python = environment.python_in(environment_folder()) if managed else None
        doctoring.start(python)
        pump.start()


CLASSES = (
    KINETYPE_OT_install_environment,
    KINETYPE_OT_cancel_install,
    KINETYPE_OT_remove_environment,
    KINETYPE_OT_look_over,
)

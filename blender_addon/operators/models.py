"""Models: download, stop, remove, link a folder, convert a release; only ever after a click."""

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from .. import model_list, pump
from ..backend_access import REMOVABLE, ModelInfo, ModelTask, messages, model_words
from ..backend_settings import backend_settings, preferences_of
from ..fixes import OfflineError
from ..jobs import board
from ..sessions import open_session
from ..text_lines import draw_lines
from .base import KinetypeOperator

CONSENT_WIDTH = 460
TOKEN_TEXT = (
    "Models that ask for an agreement need the variable HF_TOKEN in the environment that Blender"
    " is started from; a token is never typed here or stored"
)
_families: list[tuple[str, str, str]] = []


def under_way(name: str) -> bool:
    """Whether something is being done with this model."""
    return any(chore.task.model == name for chore in board.chores.values())


def offline_error() -> OfflineError:
    """What to say without online access; not everybody can change it."""
    if getattr(bpy.app, "online_access_override", False):
        hint = "Blender was started in offline mode; start it without that option."
    else:
        hint = "Allow Online Access in Preferences > System > Network."
    return OfflineError("Downloading a model needs the network.", hint)


def consent_lines(info: ModelInfo) -> list[tuple[str, str]]:
    """What a person agrees to with a download: name and value of each line."""
    lines = [
        ("Size", model_words.download_text(info)),
        ("From", f"huggingface.co/{info.hub_id}"),
        ("Licence", model_words.licence_text(info)),
    ]
    if info.excluded_regions:
        lines.append(("Regions", model_words.regions_text(info)))
    if info.memory_bytes:
        lines.append(("Memory", f"about {model_words.size_text(info.memory_bytes)} while it works"))
    if info.text_encoder:
        lines.append(("Text", info.text_encoder))
    lines.append(("Kept in", "the Hugging Face cache of the computer that runs the backend"))
    return lines


class ModelOperator(KinetypeOperator):
    """Shared by operators that have the backend do something with a model's files."""

    def send(self, context: bpy.types.Context, task: ModelTask, title: str) -> None:
        board.drain()
        board.submit_task(task, title, backend_settings(context), open_session)
        pump.start()


class KINETYPE_OT_download_model(ModelOperator):
    """Fetch a published model, or go on with a download; asks first, with size and licence"""

    bl_idname = "kinetype.download_model"
    bl_label = "Download Model"
    bl_options = {"INTERNAL"}

    model: StringProperty(
        name="Model", description="Name in the list, or hub id", options={"SKIP_SAVE"}
    )

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        own = preferences_of(context).backend == "COMMAND"  # decides about the network itself
        return "" if own or bpy.app.online_access else str(offline_error())

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_props_dialog(
            self,
            width=CONSENT_WIDTH,
            title=f"Download {self._info().title}?",
            confirm_text="Download",
        )

    def draw(self, context: bpy.types.Context) -> None:
        info = self._info()
        for name, text in consent_lines(info):
            row = self.layout.row()
            split = row.split(factor=0.16)
            split.label(text=name)
            column = split.column(align=True)
            column.alert = name == "Regions"
            draw_lines(column, text, CONSENT_WIDTH // 8)
        page = self.layout.operator("wm.url_open", text="Read the Licence", icon="URL")
        page.url = f"https://huggingface.co/{info.hub_id}"
        draw_lines(self.layout.column(align=True), f"{TOKEN_TEXT}.", CONSENT_WIDTH // 7)

    def run(self, context: bpy.types.Context) -> set[str] | None:
        if under_way(self.model):
            return self.refuse(f"{self._info().title} is being downloaded already")
        task = ModelTask(messages.new_id(), "download", self.model)
        self.send(context, task, self._info().title)
        return None

    def _info(self) -> ModelInfo:
        repo = self.model.partition("@")[0]
        return model_list.find(self.model) or ModelInfo(self.model, self.model, hub_id=repo)


class KINETYPE_OT_cancel_model(KinetypeOperator):
    """Stop this; what has arrived of a download is kept, and Resume goes on with it"""

    bl_idname = "kinetype.cancel_model"
    bl_label = "Cancel"
    bl_options = {"INTERNAL"}

    task: StringProperty(name="Task", description="Which one; all when empty")

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        return "" if board.chores else "Nothing is being done with a model"

    def run(self, context: bpy.types.Context) -> None:
        for chore in [self.task] if self.task else list(board.chores):
            board.cancel(chore)
        pump.start()


class KINETYPE_OT_remove_model(ModelOperator):
    """Delete what Kinetype downloaded or converted; a linked folder is only forgotten"""

    bl_idname = "kinetype.remove_model"
    bl_label = "Remove Model"
    bl_options = {"INTERNAL"}

    model: StringProperty(name="Model", description="Name in the list", options={"SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        info = model_list.find(self.model)
        linked = info is not None and info.state == "linked"
        text = "The folder itself stays where it is." if linked else "Its files are deleted."
        return context.window_manager.invoke_confirm(
            self, event, title=f"Remove {info.title if info else self.model}?", message=text
        )

    def run(self, context: bpy.types.Context) -> set[str] | None:
        info = model_list.find(self.model)
        if info is not None and info.state not in REMOVABLE:
            return self.refuse(f"{info.title} is {model_words.state_text(info)}: it stays")
        if under_way(self.model):
            return self.refuse("Something is being done with this model")
        task = ModelTask(messages.new_id(), "remove", self.model)
        self.send(context, task, info.title if info else self.model)
        return None


class KINETYPE_OT_link_model(ModelOperator):
    """Add a model folder of yours to the list; nothing is copied"""

    bl_idname = "kinetype.link_model"
    bl_label = "Link Folder"
    bl_options = {"INTERNAL"}

    directory: StringProperty(
        name="Folder", description="A model folder", subtype="DIR_PATH", options={"SKIP_SAVE"}
    )
    filter_folder: BoolProperty(
        name="Folders",
        description="Have the browser show folders",
        default=True,
        options={"HIDDEN"},
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def run(self, context: bpy.types.Context) -> None:
        folder = bpy.path.abspath(self.directory).rstrip("/\\")
        task = ModelTask(messages.new_id(), "link", place=folder)
        self.send(context, task, bpy.path.basename(folder) or folder)


def _family_items(
    _operator: bpy.types.Operator, _context: bpy.types.Context | None
) -> list[tuple[str, str, str]]:
    if not _families:
        names = model_list.convertible()
        _families[:] = [("AUTO", "Find Out", "By the files of the release")]
        _families.extend((name, title, f"A release of {title}") for name, title in names)
    return _families


class KINETYPE_OT_convert_model(ModelOperator):
    """Make a model folder of a released checkpoint, and compare the motions of both"""

    bl_idname = "kinetype.convert_model"
    bl_label = "Convert Released Checkpoint"
    bl_options = {"INTERNAL"}

    filepath: StringProperty(
        name="Checkpoint",
        description="The released checkpoint, or its folder",
        subtype="FILE_PATH",
        options={"SKIP_SAVE"},
    )
    family: EnumProperty(name="Family", description="Whose release it is", items=_family_items)
    text_encoder: StringProperty(
        name="Text Encoder",
        description="Folder of the text encoder to put in (CLIP ViT-B/32 for MDM, MoGenTS and"
        " MoMask); empty looks for it by name",
        options={"SKIP_SAVE"},
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def run(self, context: bpy.types.Context) -> None:
        place = bpy.path.abspath(self.filepath).rstrip("/\\")
        task = ModelTask(
            messages.new_id(),
            "convert",
            place=place,
            family="" if self.family in ("", "AUTO") else self.family,
            text_encoder=bpy.path.abspath(self.text_encoder),
        )
        self.send(context, task, bpy.path.basename(place) or place)


class KINETYPE_OT_show_model(KinetypeOperator):
    """Tell more of this model"""

    bl_idname = "kinetype.show_model"
    bl_label = "Show Model"
    bl_options = {"INTERNAL"}

    model: StringProperty(name="Model", description="Name in the list", options={"SKIP_SAVE"})

    @classmethod
    def description(
        cls, context: bpy.types.Context, properties: bpy.types.OperatorProperties
    ) -> str:
        info = model_list.find(properties.model)
        return info.description if info is not None else ""

    def run(self, context: bpy.types.Context) -> None:
        model_list.show(self.model)
        pump.redraw()


CLASSES = (
    KINETYPE_OT_download_model,
    KINETYPE_OT_cancel_model,
    KINETYPE_OT_remove_model,
    KINETYPE_OT_link_model,
    KINETYPE_OT_convert_model,
    KINETYPE_OT_show_model,
)

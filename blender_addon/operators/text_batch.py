"""Many motions from a text of the Text Editor: one prompt a line, or a job file."""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from pathlib import Path

import bpy

from .. import placement
from ..backend_access import InvalidRequest, Request, load_job_file, messages
from ..jobs import MAX_BATCH, board
from ..properties import settings_of
from .generate import WaitOperator, new_seed, request_from, submit


def text_of(context: bpy.types.Context) -> bpy.types.Text | None:
    """The text in the editor under the mouse, else the only one of the file."""
    shown = getattr(context.space_data, "text", None)
    if isinstance(shown, bpy.types.Text):
        return shown
    return bpy.data.texts[0] if len(bpy.data.texts) == 1 else None


def suffix_of(text: bpy.types.Text) -> str:
    """What kind of job file a text is: by its name, else by how it begins; '' for prompts."""
    named = Path(text.name).suffix.lower()
    if named in load_job_file().SUFFIXES:
        return named
    begin = text.as_string().lstrip("\ufeff \t\r\n")
    if begin.startswith("["):
        return ".json"
    header = [cell.strip().strip('"') for cell in begin.partition("\n")[0].split(",")]
    return ".csv" if header[0] and "prompt" in header else ""


def requests_of(context: bpy.types.Context, text: bpy.types.Text) -> list[Request]:
    """The requests of a text; what a job leaves out is as the panel says.

    Raises:
        InvalidRequest: a value out of bounds, an unknown key, or too many jobs.
        FormatError: not the JSON, CSV or YAML that it looks like.
    """
    jobs = load_job_file()
    settings, suffix = settings_of(context.scene), suffix_of(text)
    seed = settings.seed if settings.lock_seed else new_seed(1000)
    panel = request_from(settings, seed=seed, prompt="a person")
    defaults = {"seed": seed, "samples": panel.samples}
    with tempfile.TemporaryDirectory() as folder:
        stem = re.sub(r"\W+", "_", Path(text.name).stem) or "text"
        path = Path(folder) / f"{stem}{suffix or '.txt'}"
        path.write_text(text.as_string(), encoding="utf-8")
        files = (None, path) if suffix else (path, None)
        listed = jobs.read_jobs(*files, defaults, jobs.MOTION_KEYS)
    if len(listed) + len(board.jobs) > MAX_BATCH:
        raise InvalidRequest(
            f"{len(listed)} motions are too many at once.",
            f"Give at most {MAX_BATCH}, or use 'kinetype batch generate'.",
        )
    plain = panel.to_dict()
    found = []
    for number, job in enumerate(listed, start=1):
        values = {**plain, **job.request, "id": messages.new_id()}
        try:
            found.append(Request.from_dict(values).validated())
        except InvalidRequest as error:
            raise InvalidRequest(f"Motion {number}: {error.message}", error.hint) from error
    return found


class KINETYPE_OT_generate_text(WaitOperator):
    """Make a motion of every line of the text (or of every job of a JSON or CSV list)"""

    bl_idname = "kinetype.generate_text"
    bl_label = "Generate Motions from Text"
    bl_options = {"REGISTER"}

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        return "" if text_of(context) is not None else "Open a text with a prompt on each line"

    def run(self, context: bpy.types.Context) -> set[str] | None:
        text = text_of(context)
        if text is None:
            raise InvalidRequest("There is no text.", "Open one in the Text Editor.")
        requests = requests_of(context, text)
        where = placement.capture(context)
        for request in requests:
            submit(context, request, replace(where), batch=True)
        board.message = f"{len(requests)} motions from {text.name}"
        return self.waited()


CLASSES = (KINETYPE_OT_generate_text,)

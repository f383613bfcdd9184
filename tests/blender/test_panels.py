"""The panels in all the states they can be in, drawn into a real layout."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

bpy = pytest.importorskip("bpy")

from backend.errors import InternalError, InvalidRequest, ModelNotFound, ServiceError  # noqa: E402
from backend.wire.control import ModelInfo  # noqa: E402
from backend.wire.limits import DEFAULT_MODEL  # noqa: E402
from backend.wire.messages import Motion, Progress, Request, Result  # noqa: E402


def _load(name: str) -> ModuleType:
    """A file beside this one; the tests are no package."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"kinetype_tests_{name}", path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


drawing = _load("drawing")
synthetic = _load("synthetic")


def main_panel() -> str:
    from blender_addon.panels.main import KINETYPE_PT_main

    return drawing.draw_panel(KINETYPE_PT_main)


def running_job(addon: SimpleNamespace, **progress: object):
    from blender_addon.jobs import Job

    job = Job(Request("a person walks"), None)
    addon.board.jobs[job.request.id] = job
    for moment, step in enumerate(progress.get("steps", ())):
        job.advance(Progress(job.request.id, "sampling", step, 50), float(moment))
    return job


def test_a_typo_would_be_noticed(addon: SimpleNamespace) -> None:
    """The drawing helper itself: what it must catch, it catches."""

    def bad_property(panel, context) -> None:
        panel.layout.prop(context.scene.kinetype, "no_such_property")

    def bad_operator(panel, context) -> None:
        panel.layout.operator("kinetype.no_such_operator")

    for function in (bad_property, bad_operator):
        with pytest.raises(AssertionError):
            drawing.draw(function)


def test_the_edit_panel_says_what_it_will_change(addon: SimpleNamespace) -> None:
    from blender_addon.panels.edit_panel import KINETYPE_PT_edit
    from blender_addon.scene import action, armature

    settings = addon.settings()
    tree = drawing.draw_panel(KINETYPE_PT_edit)
    for name in ("edit_part", "edit_frames", "edit_first", "edit_last"):
        assert f"KinetypeSettings.{name}" in tree, name
    assert "bpy.ops.kinetype.edit_motion" in tree and "frames 1 to" not in tree
    body = armature.create_armature(bpy.context)
    action.apply_motion(body, synthetic.walk(2.0), scene=bpy.context.scene, start_frame=1)
    bpy.context.view_layer.objects.active = body
    settings.edit_first, settings.edit_last = 30, 20
    tree = drawing.draw_panel(KINETYPE_PT_edit)
    assert f"{body.name}: frames 1 to" in tree and "before it begins" in tree
    settings.edit_frames = "ALL"
    assert "KinetypeSettings.edit_first" not in drawing.draw_panel(KINETYPE_PT_edit)


def test_main_panel_shows_what_can_be_set(addon: SimpleNamespace) -> None:
    tree = main_panel()
    for name in (
        "prompt",
        "seconds",
        "seed",
        "lock_seed",
        "samples",
        "guidance",
        "model",
        "target",
    ):
        assert f"KinetypeSettings.{name}" in tree, name
    assert "bpy.ops.kinetype.generate" in tree
    assert "bpy.ops.kinetype.randomize_seed" in tree
    assert "bpy.ops.kinetype.add_mannequin" in tree
    assert "bpy.ops.kinetype.cancel(" not in tree
    assert "'Starter Open'" in tree, (
        "the model of a new file is the default one, not an empty field"
    )


def test_a_model_of_ones_own_takes_the_place_of_the_list(addon: SimpleNamespace) -> None:
    addon.settings().custom_model = "someone/else"
    tree = main_panel()
    assert "KinetypeSettings.custom_model" in tree
    assert "KinetypeSettings.model[" not in tree


def test_advanced_panel(addon: SimpleNamespace) -> None:
    from blender_addon.panels.advanced import KINETYPE_PT_advanced

    tree = drawing.draw_panel(KINETYPE_PT_advanced)
    for name in ("sampler", "use_steps", "steps", "cleanup", "custom_model"):
        assert f"KinetypeSettings.{name}" in tree, name
    assert "Backend not started" in tree


def test_progress_names_stage_step_and_time_left(addon: SimpleNamespace) -> None:
    from blender_addon.panels import status

    job = running_job(addon, steps=(10, 15, 20))
    # five steps a second, thirty to go
    assert status.progress_text(job) == "Sampling 20/50, 7 s left"
    assert job.fraction == pytest.approx(0.4)
    assert "bpy.ops.kinetype.cancel" in main_panel()
    running_job(addon)
    assert "1 more waiting" in main_panel()
    job.cancelled_at = 0.0
    assert status.progress_text(job) == "Cancelling"


def test_an_error_brings_its_buttons(addon: SimpleNamespace) -> None:
    from blender_addon.core.errors import ArmatureError
    from blender_addon.fixes import EnvironmentMissing, OfflineError

    for error, button in (
        (ServiceError("It died.", "Press Restart."), "restart_backend"),
        (EnvironmentMissing("Not installed."), "install_environment"),
        (OfflineError("No network."), "open_network_preferences"),
        (ArmatureError("No bones."), "use_new_mannequin"),
        (InternalError("A bug."), "show_log"),
    ):
        addon.board.report(error)
        tree = main_panel()
        assert error.message in tree
        assert f"bpy.ops.kinetype.{button}(" in tree
        assert "bpy.ops.kinetype.dismiss(" in tree


def test_the_first_thing_to_do_is_said_before_the_first_click(addon: SimpleNamespace) -> None:
    addon.preferences.backend = "MANAGED"
    tree = main_panel()
    assert "not installed" in drawing.words(tree)
    # without online access the installation cannot start, so that comes first
    assert "bpy.ops.kinetype.open_network_preferences(" in tree
    assert "bpy.ops.kinetype.install_environment(" not in tree
    addon.preferences.backend = "IN_PROCESS"
    assert "not installed" not in drawing.words(main_panel())


def test_a_duration_beyond_the_model_is_said_before_the_click(addon: SimpleNamespace) -> None:
    from blender_addon import model_list

    addon.preferences.backend = "IN_PROCESS"
    model_list.replace([ModelInfo(DEFAULT_MODEL, "Starter", min_seconds=1.0, max_seconds=10.0)])
    addon.settings().seconds = 30.0
    assert "Starter cannot make 30" in drawing.words(main_panel())
    assert not bpy.ops.kinetype.generate.poll()
    addon.settings().seconds = 5.0
    assert bpy.ops.kinetype.generate.poll()


def test_warnings_and_messages_are_wrapped_not_cut(addon: SimpleNamespace) -> None:
    addon.board.warnings = ("This is far from what the model knows; nearest: a person walks.",)
    addon.board.message = "The motion is on a new mannequin"
    tree = main_panel()
    for word in ("nearest:", "knows;", "mannequin"):
        assert word in tree


def test_a_long_warning_keeps_its_last_sentence(addon: SimpleNamespace) -> None:
    addon.board.warnings = (" ".join(f"Word{number}" for number in range(400)) + " Do this.",)
    said = drawing.words(main_panel())
    assert "Word0 " in said and "Do this." in said and "Word200 " not in said
    assert "bpy.ops.kinetype.dismiss(" in main_panel()


def test_an_error_goes_when_its_cause_is_gone(addon: SimpleNamespace) -> None:
    """Each kind with a change that ends it, and one that does not."""
    from blender_addon.asking import asked_now
    from blender_addon.core.errors import ArmatureError
    from blender_addon.fixes import EnvironmentMissing

    addon.preferences.backend = "IN_PROCESS"
    settings = addon.settings()

    def other_prompt() -> None:
        settings.prompt += " and bows"

    def other_model() -> None:
        settings.custom_model = "someone/else"

    def other_backend() -> None:
        addon.preferences.device = "cpu"

    def other_character() -> None:
        bpy.ops.kinetype.add_mannequin()

    for error, keeps, ends in (
        (InvalidRequest("Too long."), None, other_prompt),
        (ModelNotFound("No such model."), other_prompt, other_model),
        (EnvironmentMissing("Not installed."), other_prompt, other_backend),
        (ArmatureError("It lacks a leg."), other_prompt, other_character),
        (ServiceError("It died."), other_prompt, None),
    ):
        addon.board.report(error, asked_now(bpy.context))
        if keeps is not None:
            keeps()
        assert error.message in drawing.words(main_panel())
        if ends is not None:
            ends()
            assert error.message not in drawing.words(main_panel()), error.message


def test_what_was_said_about_a_take_goes_with_it(addon: SimpleNamespace) -> None:
    take = bpy.data.actions.new("Take")
    addon.board.message, addon.board.warnings = "1 take in 3 s", ("Far from what it knows.",)
    addon.board.taken = take.session_uid
    assert "1 take" in drawing.words(main_panel())
    bpy.data.actions.remove(take)
    said = drawing.words(main_panel())
    assert "1 take" not in said and "Far from" not in said


def test_a_hidden_character_is_told_until_it_is_shown(addon: SimpleNamespace) -> None:
    from blender_addon.scene import armature as armatures

    bpy.ops.kinetype.add_mannequin()
    character = addon.settings().character
    character.name = "A character whose long name is wrapped"
    character.data.pose_position = "REST"
    warning = armatures.why_unseen(character)
    addon.board.warnings = (warning,)
    addon.board.unseen = {warning: character.session_uid}
    assert "rest position" in drawing.words(main_panel())
    character.data.pose_position = "POSE"
    assert "rest position" not in drawing.words(main_panel())


def test_a_kept_result_can_be_placed_or_thrown_away(addon: SimpleNamespace) -> None:
    from blender_addon.jobs import Finished

    item = Finished(Result("x", ()), None, "A motion was made for another file", kept=True)
    addon.board.finished.append(item)
    tree = main_panel()
    assert "bpy.ops.kinetype.place_result(" in tree
    assert "bpy.ops.kinetype.discard_result(" in tree
    addon.board.finished.clear()


def test_a_foreign_armature_is_refused_with_a_way_out(addon: SimpleNamespace) -> None:
    # introspect() cannot read a label that ends with a quote, hence a name that wraps
    bpy.ops.kinetype.add_mannequin()
    armature = bpy.context.active_object
    armature.name = "A robot of another kind"
    bpy.ops.object.mode_set(mode="EDIT")
    for bone in ("left_knee", "left_ankle", "left_foot"):
        armature.data.edit_bones.remove(armature.data.edit_bones[bone])
    bpy.ops.object.mode_set(mode="OBJECT")
    tree = main_panel()
    assert "robot" in tree and "joints" in tree
    assert "bpy.ops.kinetype.use_new_mannequin(" in tree
    assert not bpy.ops.kinetype.generate.poll()
    addon.settings().target = "NEW"
    assert bpy.ops.kinetype.generate.poll()
    assert "use_new_mannequin" not in main_panel()


def test_takes_panel_lists_only_takes(addon: SimpleNamespace) -> None:
    from blender_addon.panels.takes_panel import KINETYPE_PT_takes, KINETYPE_UL_takes
    from blender_addon.scene import action as actions

    bpy.data.actions.new("A user's own")
    bpy.ops.kinetype.add_mannequin()
    armature = addon.settings().character
    motion = synthetic.walk(1.0)
    take = actions.apply_motion(
        armature,
        Motion(motion.data, meta={**motion.meta, "prompt": "a person waves"}),
        scene=bpy.context.scene,
    )
    addon.settings().take_index = list(bpy.data.actions).index(take)
    tree = drawing.draw_panel(KINETYPE_PT_takes)
    assert "a person waves" in tree
    assert "take_regenerate(" in tree and "take_delete(" in tree
    fake_list = SimpleNamespace(filter_name="", bitflag_filter_item=1 << 30)
    flags, order = KINETYPE_UL_takes.filter_items(fake_list, bpy.context, bpy.data, "actions")
    shown = [a.name for a, flag in zip(bpy.data.actions, flags, strict=True) if flag]
    assert shown == [take.name]
    assert sorted(order) == list(range(len(bpy.data.actions)))


@pytest.mark.parametrize("backend", ["MANAGED", "IN_PROCESS", "COMMAND"])
def test_preferences_page(addon: SimpleNamespace, backend: str) -> None:
    from blender_addon.panels import preferences_page

    addon.preferences.backend = backend

    def page(panel, context) -> None:
        preferences_page.draw(panel.layout, addon.preferences, context)

    tree = drawing.draw(page)
    assert "KinetypePreferences.backend" in tree
    assert ("install_environment(" in tree) == (backend == "MANAGED")
    assert ("KinetypePreferences.command" in tree) == (backend == "COMMAND")

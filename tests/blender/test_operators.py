"""The buttons, pressed in a real Blender against the real service."""

from __future__ import annotations

import re

import pytest

bpy = pytest.importorskip("bpy")

from blender_addon import takes  # noqa: E402
from blender_addon.core.errors import ArmatureError  # noqa: E402
from blender_addon.scene import compat  # noqa: E402

from .pressing import UNTIL, generate  # noqa: E402


def snapshot() -> tuple:
    """What a generation may not change."""
    scene = bpy.context.scene
    return (
        scene.frame_current, scene.frame_start, scene.frame_end,
        scene.render.fps, scene.render.fps_base,
        bpy.context.view_layer.objects.active, tuple(bpy.context.selected_objects),
    )  # fmt: skip


def blocks() -> dict[str, list[str]]:
    """Names of everything a failed generation could leave behind."""
    kinds = ("objects", "actions", "armatures", "meshes", "materials", "collections")
    return {kind: sorted(item.name for item in getattr(bpy.data, kind)) for kind in kinds}


def keys(action: bpy.types.Action) -> dict[tuple[str, int], list[tuple[float, float]]]:
    return {
        (curve.data_path, curve.array_index): [tuple(p.co) for p in curve.keyframe_points]
        for curve in compat.fcurves_of(action)
    }


def test_generate_keys_a_new_mannequin_and_touches_nothing_else(addon, fake_backend) -> None:
    scene = bpy.context.scene
    scene.render.fps, scene.frame_end = 25, 70
    scene.frame_set(11)
    cube = bpy.data.objects.new("Cube", bpy.data.meshes.new("Cube"))
    scene.collection.objects.link(cube)
    cube.select_set(True)
    bpy.context.view_layer.objects.active = cube
    before = snapshot()
    action = generate(seconds=2.0, cleanup=True)
    assert snapshot() == before
    armature = addon.settings().character
    assert len(armature.data.bones) == 22
    assert any(child.type == "MESH" for child in armature.children)
    assert action.frame_range[0] == 11
    assert action.frame_range[1] == pytest.approx(11 + 2.0 * 25, abs=1.01)
    assert takes.info_of(action).prompt == "a person walks forward"


def test_the_active_armature_receives_the_motion(addon, fake_backend) -> None:
    bpy.ops.kinetype.add_mannequin()
    first = addon.settings().character
    bpy.ops.kinetype.add_mannequin()
    assert addon.settings().character != first
    bpy.context.view_layer.objects.active = first.children[0]  # its body stands for it
    generate()
    assert first.animation_data.action is not None
    assert len([o for o in bpy.data.objects if o.type == "ARMATURE"]) == 2


def test_a_body_stands_for_the_armature_that_it_wears(addon, fake_backend) -> None:
    """By its modifier alone: imported bodies are not always children of their armature."""
    bpy.ops.kinetype.add_mannequin()
    mine = addon.settings().character
    bpy.ops.kinetype.add_mannequin()
    (body,) = mine.children
    body.parent = None
    bpy.context.view_layer.objects.active = body
    assert bpy.ops.kinetype.generate(wait=True, timeout=60.0) == {"FINISHED"}
    assert mine.animation_data.action is not None


def test_new_mannequin_each_time_when_asked_for(addon, fake_backend) -> None:
    generate(target="NEW")
    generate(target="NEW")
    assert len([o for o in bpy.data.objects if o.type == "ARMATURE"]) == 2


def test_samples_become_takes_with_seeds_of_their_own(addon, fake_backend) -> None:
    action = generate(samples=3, lock_seed=True, seed=20)
    found = takes.all_takes()
    assert sorted(takes.info_of(take).seed for take in found) == [20, 21, 22]
    assert takes.info_of(action).seed == 20
    assert all(take.use_fake_user for take in found)


def test_one_generation_is_one_undo_step(addon, fake_backend) -> None:
    bpy.ops.ed.undo_push(message="before")
    before = blocks()
    generate(samples=2)
    after = blocks()
    assert after != before
    bpy.ops.ed.undo()
    assert blocks() == before
    bpy.ops.ed.redo()
    assert blocks() == after


def test_the_seed_is_drawn_unless_it_is_locked(addon, fake_backend) -> None:
    addon.settings().seed = 5
    first = takes.info_of(generate()).seed
    assert first == addon.settings().seed
    assert first != 5
    assert takes.info_of(generate(lock_seed=True)).seed == first
    assert not bpy.ops.kinetype.randomize_seed.poll()
    addon.settings().lock_seed = False
    assert bpy.ops.kinetype.randomize_seed() == {"FINISHED"}


@pytest.mark.parametrize("prompt", ["", "  ", "walk " * 2000])
def test_a_bad_prompt_is_refused_before_anything_starts(addon, fake_backend, prompt: str) -> None:
    addon.settings().prompt = prompt
    assert not bpy.ops.kinetype.generate.poll()
    with pytest.raises(RuntimeError, match="prompt"):
        bpy.ops.kinetype.generate()
    assert addon.board.session is None


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("no-such-model", "no-such-model"),
        ("broken", "bad step"),
        ("not-finite", "NaN|not finite"),
        ("dies", "stopped unexpectedly"),
    ],
)
def test_a_failure_is_shown_and_leaves_the_file_alone(
    addon, fake_backend, model: str, expected: str
) -> None:
    bpy.ops.kinetype.add_mannequin()
    before = blocks()
    fake_backend(model)
    with pytest.raises(RuntimeError, match=expected):
        bpy.ops.kinetype.generate(wait=True, timeout=120.0)
    assert blocks() == before
    assert addon.settings().character.animation_data is None
    assert re.search(expected, addon.board.error.message)
    assert addon.board.error.hint
    assert not addon.board.jobs


def test_too_long_for_the_model_is_an_error_with_the_range(addon, fake_backend) -> None:
    addon.settings().seconds = 30.0
    with pytest.raises(RuntimeError, match="10 seconds"):
        bpy.ops.kinetype.generate(wait=True, timeout=120.0)


def test_restart_after_the_backend_died(addon, fake_backend) -> None:
    fake_backend("dies")
    with pytest.raises(RuntimeError):
        bpy.ops.kinetype.generate(wait=True, timeout=120.0)
    assert addon.board.backend_dead
    assert "segfault is near" in "\n".join(addon.board.log_lines())
    assert addon.board.error.fixes[0].operator == "kinetype.restart_backend"
    assert bpy.ops.kinetype.restart_backend() == {"FINISHED"}
    assert addon.board.error is None
    fake_backend("fake")
    generate()


def test_generate_again_after_a_death_starts_a_new_backend(addon, fake_backend) -> None:
    fake_backend("dies")
    with pytest.raises(RuntimeError):
        bpy.ops.kinetype.generate(wait=True, timeout=120.0)
    fake_backend("fake")
    generate()
    assert addon.board.error is None


def test_nothing_is_installed_without_online_access(addon) -> None:
    assert bpy.app.online_access is False
    assert not bpy.ops.kinetype.install_environment.poll()
    with pytest.raises(RuntimeError, match="network"):
        bpy.ops.kinetype.install_environment()


def test_cancel_ends_the_job_and_changes_nothing(addon, fake_backend, until: UNTIL) -> None:
    fake_backend("slow", use_steps=True, steps=400)
    before = blocks()
    bpy.ops.kinetype.generate()
    until(lambda: any(job.step > 2 for job in addon.board.jobs.values()))
    assert bpy.ops.kinetype.cancel() == {"FINISHED"}
    until(lambda: not addon.board.jobs)
    assert addon.board.message == "Cancelled."
    assert addon.board.error is None
    assert blocks() == before
    assert not bpy.ops.kinetype.cancel.poll()
    fake_backend("fake", use_steps=False)
    generate()


def test_two_generates_in_a_row_both_arrive(addon, fake_backend, until: UNTIL) -> None:
    fake_backend("slow")
    addon.settings().prompt = "a person walks"
    bpy.ops.kinetype.generate()
    addon.settings().prompt = "a person waves"
    bpy.ops.kinetype.generate()
    assert len(addon.board.jobs) == 2
    until(lambda: not addon.board.busy)
    prompts = sorted(takes.info_of(take).prompt for take in takes.all_takes())
    assert prompts == ["a person walks", "a person waves"]


def test_too_many_generates_are_refused(addon, fake_backend) -> None:
    from blender_addon.jobs import MAX_WAITING

    fake_backend("stuck")
    for _ in range(MAX_WAITING):
        bpy.ops.kinetype.generate()
    with pytest.raises(RuntimeError, match="waiting"):
        bpy.ops.kinetype.generate()
    assert len(addon.board.jobs) == MAX_WAITING


def test_take_can_be_made_again_exactly(addon, fake_backend, until: UNTIL) -> None:
    action = generate(seconds=1.5, prompt="a person bows", samples=2)
    second = next(take for take in takes.all_takes() if take != action)
    wanted, prompt = keys(second), takes.info_of(second).prompt
    # what the panel and the playhead say meanwhile must not matter
    bpy.context.scene.frame_set(77)
    addon.settings().prompt, addon.settings().seconds = "something else", 3.0
    known = {take.name for take in takes.all_takes()}
    assert bpy.ops.kinetype.take_regenerate(take=second.name) == {"FINISHED"}
    until(lambda: not addon.board.busy)
    again = next(take for take in takes.all_takes() if take.name not in known)
    assert takes.info_of(again).prompt == prompt
    assert keys(again) == wanted


def test_takes_are_stepped_through_assigned_and_deleted(addon, fake_backend) -> None:
    generate(samples=3, lock_seed=True, seed=1)
    user = bpy.data.actions.new("A user's own")
    user.use_fake_user = True
    found = takes.all_takes()
    data = addon.settings().character.animation_data
    for wanted in (found[1], found[2], found[0]):
        assert bpy.ops.kinetype.take_step(direction="NEXT") == {"FINISHED"}
        assert data.action == wanted
    bpy.ops.kinetype.take_step(direction="PREVIOUS")
    assert data.action == found[2]
    assert bpy.ops.kinetype.take_assign(take=found[1].name) == {"FINISHED"}
    assert data.action == found[1]
    if compat.SLOTTED:
        assert data.action_slot is not None
    name = found[0].name
    assert bpy.ops.kinetype.take_delete(take=name) == {"FINISHED"}
    assert name not in bpy.data.actions
    assert len(takes.all_takes()) == 2
    with pytest.raises(RuntimeError, match="No take"):
        bpy.ops.kinetype.take_delete(take=user.name)
    assert user.name in bpy.data.actions


def test_take_can_be_renamed(addon, fake_backend) -> None:
    action = generate()
    action.name = "Walk A"
    assert takes.info_of(action).prompt == "a person walks forward"
    assert bpy.ops.kinetype.take_assign(take="Walk A") == {"FINISHED"}


def test_settings_of_a_take_can_be_recalled(addon, fake_backend) -> None:
    action = generate(
        prompt="a person kicks", seconds=2.5, use_guidance=True, guidance=3.0, sampler="ddpm"
    )
    settings = addon.settings()
    settings.prompt, settings.seconds, settings.seed = "other", 4.0, 0
    settings.use_guidance, settings.sampler = False, "DEFAULT"
    assert bpy.ops.kinetype.take_recall(take=action.name) == {"FINISHED"}
    assert (settings.prompt, settings.seconds) == ("a person kicks", 2.5)
    assert settings.seed == takes.info_of(action).seed and settings.lock_seed
    assert settings.use_guidance and settings.guidance == 3.0 and settings.sampler == "ddpm"


def test_a_take_of_the_command_line_can_be_made_again(addon) -> None:
    from blender_addon.scene import action as actions

    take = bpy.data.actions.new("From elsewhere")
    params = {"seconds": 2.5, "guidance_scale": 3.0, "steps": 12, "sampler": "ddpm"}
    meta = {"prompt": "a person bows", "seed": 9, "model": "starter", "params": params}
    owner = bpy.data.objects.new("Somebody", None)
    actions.describe(take, {**meta, "cleanup": False}, owner, 24.0)
    found = takes.request_of(take)
    assert (found.prompt, found.seed, found.model) == ("a person bows", 9, "starter")
    assert (found.seconds, found.guidance_scale, found.steps) == (2.5, 3.0, 12)
    assert (found.sampler, found.cleanup) == ("ddpm", False)


@pytest.mark.parametrize("text", ["not json", "[]", '{"prompt": ""}', '{"request": {"x": 1}}'])
def test_a_take_that_was_tampered_with_is_an_error_not_a_crash(addon, text: str) -> None:
    take = bpy.data.actions.new("Odd")
    take["kinetype_params"] = text
    with pytest.raises(RuntimeError):
        bpy.ops.kinetype.take_regenerate(take=take.name)
    with pytest.raises(RuntimeError):
        bpy.ops.kinetype.take_recall(take=take.name)
    assert not addon.board.jobs


def test_the_frame_range_follows_only_when_asked(addon, fake_backend) -> None:
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 1, 250
    action = generate(seconds=3.0)
    assert (scene.frame_start, scene.frame_end) == (1, 250)
    bpy.ops.kinetype.fit_frame_range(take=action.name)
    assert (scene.frame_start, scene.frame_end) == tuple(round(v) for v in action.frame_range)


def test_show_log_fills_a_text(addon, fake_backend) -> None:
    generate()
    bpy.ops.kinetype.show_log()
    text = bpy.data.texts["Kinetype Log"].as_string()
    assert "request" in text


def test_stop_frees_the_backend_and_generate_brings_it_back(addon, fake_backend) -> None:
    generate()
    assert addon.board.session.state == "ready"
    assert bpy.ops.kinetype.stop_backend() == {"FINISHED"}
    assert addon.board.session.state == "stopped"
    assert not bpy.ops.kinetype.stop_backend.poll()
    generate()


def test_warnings_of_the_model_are_shown(addon, fake_backend) -> None:
    generate(prompt="a fish swims")
    assert addon.board.warnings == ("Far from what it knows.",)
    bpy.ops.kinetype.dismiss()
    assert addon.board.warnings == ()


def test_the_backend_reports_its_models(addon, fake_backend, until: UNTIL) -> None:
    from blender_addon import model_list

    generate()
    until(lambda: model_list.find("slow") is not None)
    addon.settings().model = "slow"
    assert addon.settings().model == "slow"


def test_a_linked_character_is_refused(addon, fake_backend, tmp_path) -> None:
    bpy.ops.kinetype.add_mannequin()
    name = addon.settings().character.name
    path = str(tmp_path / "library.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(path, link=True) as (_, wanted):
        wanted.objects = [name]
    linked = wanted.objects[0]
    bpy.context.scene.collection.objects.link(linked)
    bpy.context.view_layer.objects.active = linked
    from blender_addon import placement

    with pytest.raises(ArmatureError, match="linked"):
        placement.find_target(bpy.context)

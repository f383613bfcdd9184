"""What the panel edits is what the request says, within the same bounds."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

bpy = pytest.importorskip("bpy")

from backend.errors import InvalidRequest  # noqa: E402
from backend.wire import limits  # noqa: E402
from backend.wire.control import ModelInfo  # noqa: E402


def request(addon: SimpleNamespace):
    from blender_addon.operators.generate import request_from

    return request_from(addon.settings())


def test_defaults_make_a_valid_request(addon: SimpleNamespace) -> None:
    found = request(addon)
    assert found.prompt == "a person walks forward"
    assert found.model == limits.DEFAULT_MODEL
    assert (found.seconds, found.samples) == (limits.DEFAULT_SECONDS, 1)
    assert found.guidance_scale is None and found.steps is None and found.sampler is None
    assert found.cleanup is True


def test_every_field_arrives(addon: SimpleNamespace) -> None:
    settings = addon.settings()
    settings.prompt = "  a tired man sits down  "
    settings.seconds, settings.seed, settings.samples = 6.5, 41, 3
    settings.use_guidance, settings.guidance = True, 4.25
    settings.use_steps, settings.steps, settings.sampler = True, 20, "ddpm"
    settings.cleanup, settings.custom_model = False, "someone/else"
    found = request(addon)
    assert found.prompt == "a tired man sits down"
    assert (found.seconds, found.seed, found.samples) == (6.5, 41, 3)
    assert (found.guidance_scale, found.steps, found.sampler) == (4.25, 20, "ddpm")
    assert (found.cleanup, found.model) == (False, "someone/else")


@pytest.mark.parametrize("prompt", ["", "   ", "walk " * 2000, "\U0001f642" * 501])
def test_a_prompt_out_of_bounds_is_refused(addon: SimpleNamespace, prompt: str) -> None:
    addon.settings().prompt = prompt
    with pytest.raises(InvalidRequest) as caught:
        request(addon)
    assert "prompt" in caught.value.message
    assert caught.value.hint


def test_numbers_are_held_within_the_limits_of_the_wire(addon: SimpleNamespace) -> None:
    settings = addon.settings()
    for name, low, high in (
        ("seconds", limits.MIN_SECONDS, limits.MAX_SECONDS),
        ("seed", limits.MIN_SEED, limits.MAX_SEED),
        ("samples", limits.MIN_SAMPLES, limits.MAX_SAMPLES),
        ("guidance", limits.MIN_GUIDANCE, limits.MAX_GUIDANCE),
        ("steps", limits.MIN_STEPS, limits.MAX_STEPS),
    ):
        setattr(settings, name, low - 1)
        assert getattr(settings, name) == low
        setattr(settings, name, min(high + 1, 2**31 - 1))
        assert getattr(settings, name) == high
        settings.property_unset(name)


def test_the_chosen_model_survives_a_change_of_the_list(
    addon: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from blender_addon import model_list

    def offer(*names: str) -> None:
        model_list.replace(ModelInfo(name, name.title()) for name in names)

    settings = addon.settings()
    offer("starter", "large", "other")
    settings.model = "large"
    offer("starter", "another", "new", "large")
    assert settings.model == "large"
    # a model that is gone falls back to the default instead of to whatever took its place
    offer("starter", "another")
    assert settings.model == ""
    assert request(addon).model == limits.DEFAULT_MODEL


def test_settings_are_saved_with_the_file_but_no_job_state_is(
    addon: SimpleNamespace, tmp_path
) -> None:
    addon.settings().prompt = "a person kicks"
    addon.board.message = "something"
    path = str(tmp_path / "saved.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert addon.settings().prompt == "a person walks forward"
    bpy.ops.wm.open_mainfile(filepath=path)
    assert addon.settings().prompt == "a person kicks"
    names = set(addon.settings().bl_rna.properties.keys())
    assert not {"busy", "progress", "is_generating", "state", "error"} & names


def test_only_smpl_armatures_can_be_the_character(addon: SimpleNamespace) -> None:
    from blender_addon.properties import _can_be_character

    other = bpy.data.objects.new("Other", bpy.data.armatures.new("Other"))
    bpy.ops.kinetype.add_mannequin()
    mannequin = addon.settings().character
    assert mannequin.type == "ARMATURE"
    assert _can_be_character(addon.settings(), mannequin)
    assert not _can_be_character(addon.settings(), other)
    assert not _can_be_character(addon.settings(), mannequin.children[0])

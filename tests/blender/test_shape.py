"""Quality, variety, tempo, reach, loop and in place: from the panel to the take."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

bpy = pytest.importorskip("bpy")

from backend.wire.control import ModelInfo  # noqa: E402
from backend.wire.limits import DEFAULT_MODEL  # noqa: E402
from backend.wire.messages import Edit, Motion, Result  # noqa: E402
from blender_addon import model_list, placement  # noqa: E402
from blender_addon.operators.generate import problem_with, request_from  # noqa: E402
from blender_addon.operators.takes import recall  # noqa: E402
from tests.blender import drawing, synthetic  # noqa: E402
from tests.blender.pressing import generate  # noqa: E402

SHAPED = {
    "quality": "BEST", "variety": True, "loop": True, "in_place": True, "speed": 1.25,
    "amplitude": 0.8,
}  # fmt: skip


def shape(addon: SimpleNamespace, **values: object) -> None:
    for name, value in {**SHAPED, "samples": 3, **values}.items():
        setattr(addon.settings(), name, value)


def test_all_of_it_arrives_and_comes_back(addon: SimpleNamespace) -> None:
    assert request_from(addon.settings()).to_dict().keys().isdisjoint(SHAPED)
    shape(addon)
    request = request_from(addon.settings())
    found = {name: getattr(request, name) for name in SHAPED}
    assert found == {**SHAPED, "quality": "best"}
    for name in SHAPED:
        addon.settings().property_unset(name)
    recall(addon.settings(), request)
    again = request_from(addon.settings())
    assert {name: getattr(again, name) for name in SHAPED} == found


def test_one_sample_has_no_variety_and_edits_only_a_quality(addon: SimpleNamespace) -> None:
    shape(addon, samples=1)
    assert not request_from(addon.settings()).variety
    shape(addon)
    edit = request_from(addon.settings(), edit=Edit(synthetic.walk(2.0), (0, 30)))
    assert edit.quality == "best" and not edit.loop and edit.speed == 1.0


def test_a_quality_that_the_model_has_not_says_nothing(addon: SimpleNamespace) -> None:
    shape(addon)
    model_list.replace([ModelInfo(DEFAULT_MODEL, "Starter")])
    assert request_from(addon.settings()).quality == "standard"
    model_list.forget()
    # a folder that nobody has looked at yet is asked as typed: the backend knows
    addon.settings().custom_model = "someone/else"
    assert request_from(addon.settings()).quality == "best"


def test_a_speed_that_needs_too_much_greys_the_button(addon: SimpleNamespace) -> None:
    shape(addon, seconds=40.0, speed=2.0, loop=False)
    problem = problem_with(bpy.context)
    assert problem is not None and "need 80 seconds" in problem.message
    assert not bpy.ops.kinetype.generate.poll()


def test_the_panels_show_it(addon: SimpleNamespace) -> None:
    from blender_addon.panels.main import KINETYPE_PT_main
    from blender_addon.panels.shape import KINETYPE_PT_shape

    tree = drawing.draw_panel(KINETYPE_PT_shape)
    for name in ("speed", "amplitude", "loop", "in_place"):
        assert f"KinetypeSettings.{name}" in tree, name
    assert "KinetypeSettings.variety" not in drawing.draw_panel(KINETYPE_PT_main)
    addon.settings().samples = 2
    tree = drawing.draw_panel(KINETYPE_PT_main)
    assert "KinetypeSettings.variety" in tree and "KinetypeSettings.quality" in tree


@pytest.fixture
def body(addon: SimpleNamespace) -> bpy.types.Object:
    bpy.ops.kinetype.add_mannequin()
    return addon.settings().character


def placed(motion: Motion) -> bpy.types.Action:
    result = Result("r", (motion,))
    return placement.place(bpy.context, result, placement.capture(bpy.context)).takes[0]


def foot_slide(action: bpy.types.Action) -> float:
    """How far the pelvis bone travels along the floor (m)."""
    body = bpy.context.scene.kinetype.character
    scene = bpy.context.scene
    places = []
    for frame in range(*map(int, action.curve_frame_range)):
        scene.frame_set(frame)
        places.append((body.matrix_world @ body.pose.bones["pelvis"].matrix).translation.copy())
    return max((place - places[0]).to_2d().length for place in places)


def test_a_loop_is_a_cyclic_take_and_others_are_not(body: bpy.types.Object) -> None:
    walk = synthetic.walk(2.0)
    plain = placed(walk)
    assert not plain.use_cyclic and not plain.use_frame_range
    note = {"finish": {"loop": {"turn": 0.0, "step": [0.0, 0.0, 2.4]}}}
    loop = placed(Motion(walk.data, meta={**walk.meta, **note}))
    first, last = loop.curve_frame_range
    assert loop.use_cyclic and (loop.frame_start, loop.frame_end) == (first, last + 1)


def test_feet_of_a_body_in_place_are_not_held(body: bpy.types.Object) -> None:
    """The lock would carry the whole body after a standing foot."""
    data = synthetic.walk(2.0).data.copy()
    data[:, [0, 2]] = 0.0
    take = placed(Motion(data, meta={**synthetic.meta(), "finish": {"in_place": True}}))
    assert foot_slide(take) < 0.005


def test_a_whole_generation_in_place_at_another_speed(addon, fake_backend) -> None:
    take = generate(seconds=2.0, speed=0.75, in_place=True)
    finish = json.loads(take["kinetype_params"])["finish"]
    assert finish == {"speed": 0.75, "in_place": True}
    assert foot_slide(take) < 0.005

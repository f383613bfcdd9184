"""Everything that a person can point at says what it is."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import pytest

bpy = pytest.importorskip("bpy")


def operators() -> Iterator[type]:
    from blender_addon import registration

    return (cls for cls in registration.CLASSES if issubclass(cls, bpy.types.Operator))


def rna_of(cls: type) -> bpy.types.Struct:
    """What Blender knows about a class; that of an operator is found by its name."""
    if not issubclass(cls, bpy.types.Operator):
        return cls.bl_rna
    category, name = cls.bl_idname.split(".")
    return getattr(getattr(bpy.ops, category), name).get_rna_type()


def own_properties() -> Iterator[tuple[str, bpy.types.Property]]:
    """Those that the add-on defines, of operators, settings and preferences."""
    from blender_addon import registration

    kinds = (bpy.types.Operator, bpy.types.PropertyGroup, bpy.types.AddonPreferences)
    for cls in registration.CLASSES:
        known = rna_of(cls).properties if issubclass(cls, kinds) else {}
        for base in cls.__mro__:
            for name in vars(base).get("__annotations__", ()):
                if name in known:
                    yield f"{cls.__name__}.{name}", known[name]


def test_operators_have_labels_and_tooltips(enabled_addon: ModuleType) -> None:
    found = list(operators())
    assert len(found) >= 20
    for cls in found:
        kind = rna_of(cls)
        assert kind.name and len(kind.description) >= 10, cls
        assert not kind.description.endswith("."), f"Blender adds the full stop: {cls}"


def test_properties_have_names_and_tooltips(addon) -> None:
    found = dict(own_properties())
    assert {"KinetypeSettings.prompt", "KinetypePreferences.command"} <= set(found)
    assert "KINETYPE_OT_take_assign.take" in found and "KINETYPE_OT_generate.wait" in found
    for name, prop in found.items():
        assert prop.name and len(prop.description) >= 10, name
        assert not prop.description.endswith("."), f"Blender adds the full stop: {name}"
        if prop.type == "ENUM":
            for item in prop.enum_items:
                assert item.name and item.description, f"{name}: {item.identifier}"


@pytest.mark.usefixtures("addon")
def test_a_grey_button_says_why() -> None:
    """An empty file: every operator that cannot run has a reason of its own."""
    for cls in operators():
        category, name = cls.bl_idname.split(".")
        operator = getattr(getattr(bpy.ops, category), name)
        if operator.poll():
            continue
        with pytest.raises(RuntimeError) as refusal:
            operator()
        reason = str(refusal.value).partition("poll()")[2].strip()
        assert reason and "context is incorrect" not in reason, cls

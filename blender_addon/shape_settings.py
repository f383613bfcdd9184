"""Settings of a generation besides its prompt: quality, variety, tempo, reach, loop, in place."""

from typing import Any

from bpy.props import BoolProperty, EnumProperty, FloatProperty

from .backend_access import ModelInfo, Request, limits


class ShapeSettings:
    """Part of :class:`.properties.KinetypeSettings`."""

    quality: EnumProperty(
        name="Quality",
        description="Time against quality, where the model has a choice",
        items=[
            ("DRAFT", "Draft", "Few steps: to see quickly what comes"),
            ("STANDARD", "Standard", "What the model was tuned with"),
            ("BEST", "Best", "What its makers found to move best"),
        ],
        default="STANDARD",
    )
    variety: BoolProperty(
        name="Variety",
        description="Let the samples differ in guidance (0.6 to 1.6 times), tempo (0.75 to 1.33"
        " times) and reach (0.7 to 1.4 times): seeds alone hardly change an action that stands",
    )
    loop: BoolProperty(
        name="Loop",
        description="About as long as asked, and its end leads into its start",
    )
    in_place: BoolProperty(name="In Place", description="The body stays above where it starts")
    speed: FloatProperty(
        name="Speed",
        description="Tempo of what is done; the length stays",
        default=1.0,
        min=limits.MIN_SPEED,
        max=limits.MAX_SPEED,
        step=5,
        precision=2,
    )
    amplitude: FloatProperty(
        name="Amplitude",
        description="How far arms, trunk and head go, and how high jumps are",
        default=1.0,
        min=limits.MIN_AMPLITUDE,
        max=limits.MAX_AMPLITUDE,
        step=5,
        precision=2,
    )


NAMES = tuple(ShapeSettings.__annotations__)


def asked(settings: ShapeSettings, model: ModelInfo, *, whole: bool) -> dict[str, Any]:
    """Fields of a request that these settings say; only the quality where no whole motion is made.

    A quality that the model has not is grey in the panel, and says nothing.

    Blender keeps 32 bits of a number; three digits are what was typed.
    """
    values = {name: getattr(settings, name) for name in NAMES}
    quality = values["quality"].lower()
    quality = quality if quality in model.qualities else "standard"
    if not whole:
        return {"quality": quality}
    speed, amplitude = round(values["speed"], 3), round(values["amplitude"], 3)
    variety = values["variety"] and getattr(settings, "samples", 1) > 1
    return {
        **values,
        "quality": quality, "speed": speed, "amplitude": amplitude, "variety": variety,
    }  # fmt: skip


def recall(settings: ShapeSettings, request: Request) -> None:
    """Set these settings as a request has them."""
    for name in NAMES:
        value = getattr(request, name)
        setattr(settings, name, value.upper() if name == "quality" else value)

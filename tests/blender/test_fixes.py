"""Errors in the panel: no command line where there is a button."""

from __future__ import annotations

import pytest

pytest.importorskip("bpy")

from blender_addon import fixes
from blender_addon.backend_access import KinetypeError, MissingDependency, ModelAbsent, errors

CONVERT, INSTALL = "kinetype.convert_model", "kinetype.install_environment"


@pytest.mark.parametrize(
    ("error", "operator"),
    [
        (errors.ArtifactError("x", "Convert it first: kinetype convert-checkpoint mdm /a b OUT; one"
                              " of actions is used as it is."), CONVERT),
        (errors.ModelNotFound("x", "Give the folder of a model, or convert a released checkpoint"
                              " first (kinetype convert-checkpoint)."), CONVERT),
        (MissingDependency("x", "Install it with: python -m pip install huggingface_hub"), INSTALL),
        (MissingDependency("x", "Run 'kinetype doctor' there, or install the backend again."),
         "kinetype.look_over"),
        (ModelAbsent("x", "Download it first: nothing is fetched unasked.", "mdm"),
         "kinetype.download_model"),
    ],
)  # fmt: skip
def test_buttons_stand_for_commands(error: KinetypeError, operator: str) -> None:
    found = fixes.fixes_for(error)
    assert operator in [fix.operator for fix in found] and len(set(found)) == len(found)
    hint = fixes.hint_of(error)
    assert hint and "kinetype " not in hint and "pip" not in hint, hint
    assert "/a b" not in hint


def test_the_list_of_models_is_not_a_command() -> None:
    error = errors.ModelNotFound("x", "Give a folder, or a name of `kinetype models`.")
    assert fixes.hint_of(error) == "Give a folder, or a name of the list of models."

"""What a person can do about an error, as buttons: one table from error to operators."""

from __future__ import annotations

import re
from dataclasses import dataclass

from . import backend_access as access


class OfflineError(access.KinetypeError):
    """Blender's own online access is off."""

    code = "offline"


class EnvironmentMissing(access.MissingDependency):
    """The managed environment is not there, or only half of it."""

    code = "environment_missing"


class EnvironmentMissingOffline(EnvironmentMissing):
    """As its parent, and it cannot be installed before Blender may go online."""

    code = "environment_missing_offline"


@dataclass(frozen=True)
class Fix:
    """A button: an operator of ours, its label, its icon and what its properties are set to."""

    operator: str
    text: str
    icon: str = "NONE"
    values: tuple[tuple[str, str], ...] = ()


RESTART = Fix("kinetype.restart_backend", "Restart Backend", "FILE_REFRESH")
PREFERENCES = Fix("kinetype.open_preferences", "Open Preferences", "PREFERENCES")
ONLINE = Fix("kinetype.open_network_preferences", "Online Access…", "INTERNET")
JOINTS = Fix("kinetype.show_joints", "Choose Joints…", "BONE_DATA")
NEW_MANNEQUIN = Fix("kinetype.use_new_mannequin", "Use a New Mannequin", "ARMATURE_DATA")
DOWNLOAD = "kinetype.download_model"
INSTALL = Fix("kinetype.install_environment", "Install Backend", "IMPORT")
LOG = Fix("kinetype.show_log", "Show Log", "TEXT")

CONVERT = Fix("kinetype.convert_model", "Convert Released Checkpoint…", "FILE_REFRESH")
LOOK_OVER = Fix("kinetype.look_over", "Check Installation", "VIEWZOOM")

_COMMANDS: tuple[tuple[str, str, Fix | None], ...] = (
    (r"(: | \()kinetype convert-checkpoint( mdm)?( .*? OUT)?\)?", " with the button", CONVERT),
    (r"`kinetype models`", "the list of models", None),
    (r"Run 'kinetype doctor' there", "Check the installation", LOOK_OVER),
    (
        r"Install (it|its weights) with: python -m pip install.*",
        "Install the backend again.",
        INSTALL,
    ),
    (r"Reinstall with: python -m pip.*", "Install the backend again.", INSTALL),
    (r"Install it \(pip install torch\)", "Install the backend", INSTALL),
)
"""What hints say to people with a terminal, and what stands for it where there is a button."""

# Subclasses come before their parents: the first match wins.
_TABLE: tuple[tuple[type[access.KinetypeError], tuple[Fix, ...]], ...] = (
    (OfflineError, (ONLINE,)),
    (EnvironmentMissingOffline, (ONLINE, PREFERENCES)),
    (EnvironmentMissing, (INSTALL, PREFERENCES)),
    (access.ArmatureError, (JOINTS, NEW_MANNEQUIN)),
    (access.MissingDependency, (PREFERENCES, LOG)),
    (access.ServiceError, (RESTART, PREFERENCES, LOG)),
    (access.OutputError, (PREFERENCES,)),
    (access.InternalError, (LOG,)),
)


def fixes_for(error: access.KinetypeError) -> tuple[Fix, ...]:
    """The buttons to show below an error; none when only the request itself can be changed."""
    if isinstance(error, access.ModelAbsent) and error.detail:
        return (Fix(DOWNLOAD, "Download…", "IMPORT", (("model", error.detail),)),)
    named = [fix for pattern, _, fix in _COMMANDS if fix and re.search(pattern, error.hint)]
    usual = next((fixes for kind, fixes in _TABLE if isinstance(error, kind)), ())
    return tuple(dict.fromkeys((*named, *usual)))


def hint_of(error: access.KinetypeError) -> str:
    """The hint of an error, with buttons in place of commands."""
    hint = error.hint
    for pattern, words, _ in _COMMANDS:
        hint = re.sub(pattern, words, hint, flags=re.DOTALL)
    return hint

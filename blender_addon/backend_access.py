"""The one door from the add-on to ``backend.wire`` and ``backend.errors``.

In the installed extension ``backend`` lies inside the add-on's package; in a checkout it lies
beside it. Nothing else of the backend is reachable from here, and never torch.
"""

from __future__ import annotations

from importlib.util import find_spec

if find_spec(".backend", __package__) is not None:
    from .backend import errors
    from .backend.wire import limits, messages, skeleton
else:
    from backend import errors
    from backend.wire import limits, messages, skeleton

KinetypeError = errors.KinetypeError
FormatError = errors.FormatError
OutputError = errors.OutputError

JOINT_NAMES = skeleton.JOINT_NAMES
PARENTS = skeleton.PARENTS
REST_OFFSETS = skeleton.REST_OFFSETS
HAND_OFFSETS = skeleton.HAND_OFFSETS
SOLE_HEIGHT = skeleton.SOLE_HEIGHT
NUM_JOINTS = skeleton.NUM_JOINTS
MOTION_DIM = skeleton.MOTION_DIM
MOTION_FPS = skeleton.MOTION_FPS
ROOT_COLUMNS = skeleton.ROOT_COLUMNS
ROT6D_COLUMNS = skeleton.ROT6D_COLUMNS

Motion = messages.Motion
Request = messages.Request

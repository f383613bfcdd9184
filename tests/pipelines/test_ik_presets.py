"""A request says how the joints of a model become rotations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from backend.errors import InvalidRequest
from backend.motion import convert
from backend.motion.representations import motion135
from backend.pipelines.action_mdm.pipeline import to_motion135
from backend.pipelines.humanml3d.output import rigged
from backend.wire import limits
from backend.wire.messages import Request


def test_names_are_the_same_on_both_sides() -> None:
    assert tuple(convert.IK_PRESETS) == limits.IK_PRESETS
    assert Request("a person walks").ik == "clean"
    assert Request.from_dict(Request("x", ik="published").to_dict()).ik == "published"
    with pytest.raises(InvalidRequest, match="'best'"):
        Request("a person walks", ik="best").validated()


def test_a_request_chooses_the_preset(make_motion: Callable[..., np.ndarray]) -> None:
    features = convert.motion135_to_hml263(make_motion(40))
    joints = convert.hml263_to_joints(features)
    made = {}
    for name in limits.IK_PRESETS:
        data, note = rigged(features, Request("x", ik=name, seconds=1.3))
        assert note["ik"] == name
        expected, error = convert.joints_to_motion135(
            joints, options=convert.IkOptions.of_features(name)
        )
        frames = min(len(expected), len(data))
        np.testing.assert_allclose(data[:frames, 3:], expected[:frames, 3:], atol=1e-6)
        assert note["ik_error_mm"] == pytest.approx(error.mean(), abs=0.01)
        made[name] = data
        own, _ = to_motion135(joints, 20.0, 39, name)
        assert own.shape == (39, 135)
    rotations = motion135.SPEC.columns("rotations")
    apart = made["published"][:, rotations] - made["clean"][:, rotations]
    assert np.abs(apart).max() > 0.01

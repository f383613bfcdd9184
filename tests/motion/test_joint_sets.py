from __future__ import annotations

import numpy as np
import pytest

from backend.errors import InvalidRequest
from backend.motion.joint_sets import BODY_PARTS, chains_inside, joint_mask
from backend.motion.skeleton import joint_index


def test_parts_and_joints() -> None:
    np.testing.assert_array_equal(joint_mask("lower"), ~joint_mask("upper"))
    assert np.flatnonzero(joint_mask("lower")).tolist() == [0, 1, 2, 4, 5, 7, 8, 10, 11]
    both = joint_mask("left-arm, Head")
    np.testing.assert_array_equal(both, joint_mask(["left_arm", "neck", "head"]))
    assert not joint_mask(()).any()
    with pytest.raises(InvalidRequest, match="tail"):
        joint_mask("lower,tail")


def test_every_part_names_joints() -> None:
    for names in BODY_PARTS.values():
        assert [joint_index(name) for name in names]


def test_a_wrist_alone_is_fixed_to_nothing() -> None:
    assert not chains_inside(joint_mask("left_wrist")).any()
    np.testing.assert_array_equal(chains_inside(joint_mask("upper")), joint_mask("upper"))
    without_spine = joint_mask("upper") & ~joint_mask("spine1")
    assert not chains_inside(without_spine).any()

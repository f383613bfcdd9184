"""Short motions are cut from longer ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backend.motion.representations import smplrifke205
from backend.pipelines.dit.short_clips import frames_to_make, liveliest


def test_only_short_motions_are_made_longer() -> None:
    assert frames_to_make(24, 20.0, 196) == 60
    assert frames_to_make(39, 20.0, 196) == 60
    assert frames_to_make(40, 20.0, 196) == 40
    assert frames_to_make(24, 20.0, 30) == 30
    assert frames_to_make(24, 20.0, 20) == 24


def test_the_liveliest_stretch_is_where_joints_move(make_motion: Callable[..., np.ndarray]) -> None:
    clip = make_motion(90)
    clip[:30, 3:] = clip[30, 3:]
    clip[60:, 3:] = clip[59, 3:]
    clip[:, :3] = clip[0, :3]
    features = smplrifke205.from_motion135(clip)
    cut = liveliest(features, 20, 20.0)
    assert len(cut) == 20
    np.testing.assert_allclose(cut, features[20:40], atol=1e-6)
    assert liveliest(cut, 20, 20.0) is cut

"""The mannequin: closed parts, skin weights that add up, left and right on their sides."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from backend.motion.retarget import rest_heads
from backend.wire.skeleton import JOINT_NAMES, NUM_JOINTS
from blender_addon.core import mannequin


@pytest.fixture(scope="module")
def body() -> mannequin.Mannequin:
    return mannequin.build(rest_heads())


def volume(body: mannequin.Mannequin) -> float:
    """Signed volume: positive when faces point outward."""
    total = 0.0
    for face in body.faces:
        corners = body.vertices[list(face)]
        for i in range(1, len(face) - 1):
            total += np.dot(corners[0], np.cross(corners[i], corners[i + 1])) / 6
    return total


def test_every_part_is_closed(body: mannequin.Mannequin) -> None:
    edges = Counter(
        (a, b) for face in body.faces for a, b in zip(face, (*face[1:], face[0]), strict=True)
    )
    assert all(count == 1 and edges[(b, a)] == 1 for (a, b), count in edges.items())


def test_faces_point_outward_and_the_body_has_a_persons_volume(body: mannequin.Mannequin) -> None:
    assert 0.03 < volume(body) < 0.12  # cubic metres; parts overlap


def test_weights_add_up(body: mannequin.Mannequin) -> None:
    assert body.weights.shape == (len(body.vertices), NUM_JOINTS)
    assert np.abs(body.weights.sum(1) - 1).max() < 1e-9
    assert body.weights.min() >= 0
    assert (body.weights.max(0) > 0).all(), "every joint moves something"


def test_soles_stand_on_the_floor(body: mannequin.Mannequin) -> None:
    lowest = body.vertices[:, 1].min()
    assert abs(lowest) < 1e-9
    assert (body.vertices[:, 1] < 1e-6).sum() > 50, "flat, not a point"
    assert 1.6 < body.vertices[:, 1].max() < 1.8


def test_left_is_orange_and_at_plus_x(body: mannequin.Mannequin) -> None:
    centres = np.array([body.vertices[list(face)].mean(0) for face in body.faces])
    assert centres[body.materials == mannequin.LEFT][:, 0].min() > 0
    assert centres[body.materials == mannequin.RIGHT][:, 0].max() < 0
    assert set(body.materials) == {
        mannequin.SHELL, mannequin.JOINT, mannequin.LEFT, mannequin.RIGHT,
    }  # fmt: skip


def test_the_face_shows_where_it_looks(body: mannequin.Mannequin) -> None:
    head = body.weights[:, JOINT_NAMES.index("head")] > 0.99
    dark = np.zeros(len(body.vertices), bool)
    for face, material in zip(body.faces, body.materials, strict=True):
        dark[list(face)] |= material == mannequin.JOINT
    height = body.vertices[:, 1] > rest_heads()[JOINT_NAMES.index("head"), 1] + 0.06
    front = body.vertices[head & height][:, 2].max()
    assert body.vertices[head & height & dark][:, 2].max() == pytest.approx(front)


def test_it_scales_with_the_skeleton(body: mannequin.Mannequin) -> None:
    large = mannequin.build(2.5 * rest_heads())
    assert np.abs(large.vertices - 2.5 * body.vertices).max() < 1e-9

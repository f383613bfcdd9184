"""Poses and pins on other bodies: met, without pops, the feet where they stood."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.motion import quaternions
from backend.motion.retarget import (
    LIMBS,
    Body,
    Pin,
    Pose,
    chain_of,
    find_joints,
    held,
    make_body,
    of_map,
    performed,
    pinned,
    pose_of,
    posed,
    recognise,
    to_bone_keys,
)

from . import rigs, walking

WALK = walking.walk(90)


def of_kit(kit: Path, name: str) -> Body:
    skeleton, _ = rigs.load(kit, name)
    return make_body(skeleton, recognise(skeleton.names) or of_map(find_joints(skeleton)))


def speed(body: Body, pose: Pose) -> float:
    """The fastest joint, m/s of the motion."""
    return float(np.linalg.norm(np.diff(pose.places, axis=0), axis=-1).max() * 30.0 / body.scale)


@pytest.mark.parametrize("limb", LIMBS)
@pytest.mark.parametrize("name", ["mpfb_default", "cesium_man", "quaternius_man"])
def test_a_limb_stays_where_it_is_pinned(kit: Path, name: str, limb: str) -> None:
    """Also out of reach by the half of an arm: the body comes along, and the feet stay."""
    body = of_kit(kit, name)
    pose = performed(body, WALK, 30.0, 30.0, feet=1.0)
    chain = chain_of(body, limb)
    assert chain is not None
    side = 1.0 if limb.startswith("left") else -1.0
    first, last = pose.places[50, chain[0]], pose.places[50, chain[2]]
    length = np.linalg.norm(body.places[chain[0]] - body.places[chain[1]])
    away = np.array([0.3 * side, 0.6, 0.9]) if "hand" in limb else np.array([0.0, 0.6, 0.6])
    goal = (first if "hand" in limb else last) + length * away
    places = goal + np.linspace(0.0, 0.2, 20)[:, None] * body.scale * np.array([0.0, 0.1, 1.0])
    made = pinned(body, pose, [Pin(limb, 50, places)], 30.0)
    off = np.linalg.norm(made.places[50:70, chain[2]] - places, axis=-1)
    assert off.max() < 0.01 * body.scale
    others = [c for each in LIMBS[2:] if each != limb and (c := chain_of(body, each)) is not None]
    for leg in others:
        slid = np.linalg.norm(made.places[:, leg[2]] - pose.places[:, leg[2]], axis=-1)
        assert slid.max() < 0.03 * body.scale
    assert np.abs(made.turns[:5] - pose.turns[:5]).max() < 0.01
    assert np.abs(made.places[:5] - pose.places[:5]).max() < 1e-2 * body.scale
    assert speed(body, made) < 2.0 * speed(body, pose)


def test_pins_of_absent_limbs_and_rows_outside_are_left_out(kit: Path) -> None:
    body = of_kit(kit, "mpfb_default")
    pose = performed(body, WALK, 30.0, 30.0)
    far = [Pin("left-hand", 900, np.zeros((3, 3))), Pin("left-hand", -9, np.zeros((3, 3)))]
    made = pinned(body, pose, far, 30.0)
    assert np.abs(made.places - pose.places).max() < 1e-9 * body.scale
    assert pinned(body, pose, [], 30.0) is pose


@pytest.mark.parametrize("name", ["mpfb_default", "cesium_man"])
def test_a_pose_is_met_and_eased_into(kit: Path, name: str) -> None:
    body = of_kit(kit, name)
    pose = performed(body, WALK, 30.0, 30.0, feet=1.0)
    wanted = performed(body, walking.walk(90, turn=1.0)[40:42], 30.0, 30.0)
    shifted = wanted.places + body.scale * np.array([0.3, 0.0, 0.2])
    rows = [45, 75]
    made = held(body, pose, rows, Pose(wanted.turns, shifted), 30.0)
    assert np.abs(made.places[rows] - shifted).max() < 1e-6 * body.scale
    same = np.abs((made.turns[rows] * wanted.turns).sum(-1))
    assert same.min() > 1.0 - 1e-9
    assert np.array_equal(made.turns[0], pose.turns[0])
    assert speed(body, made) < speed(body, pose) + 3.0


def test_what_is_amiss_on_two_rows_may_be_amiss_between_them(kit: Path) -> None:
    body = of_kit(kit, "mpfb_default")
    pose = performed(body, WALK, 30.0, 30.0)
    turn = quaternions.from_axis_angle(np.array([0.2, 0.0, 1.0, 0.0]))
    turned = Pose(quaternions.multiply(turn, pose.turns), pose.places)
    rows = [0, 89]
    wanted = Pose(turned.turns[rows], turned.places[rows])
    made = held(body, pose, rows, wanted, 30.0, through=True)
    same = np.abs((made.turns * turned.turns).sum(-1))
    assert same.min() > 1.0 - 1e-9
    faded = held(body, pose, rows, wanted, 30.0)
    assert np.array_equal(faded.turns[45], pose.turns[45])


@pytest.mark.parametrize("name", ["mpfb_default", "cesium_man", "vrm_godette", "mpfb_cmu_mb"])
def test_bones_as_they_are_shown_are_read_as_their_keys_are(kit: Path, name: str) -> None:
    """Turns away from rest in the skeleton's space, as an evaluated rig has them."""
    body = of_kit(kit, name)
    keys = to_bone_keys(body, WALK, 30.0, 30.0)
    shown = pose_of(body, keys.rotations, keys.locations)
    change = quaternions.from_matrix(body.basis)
    turns = quaternions.multiply(
        quaternions.multiply(change, shown.turns), quaternions.conjugate(change)
    )
    pelvis = shown.places[:, body.of_joint["pelvis"]] @ body.basis.T
    read = posed(body, turns, pelvis)
    assert np.abs(read.places - shown.places).max() < 1e-9 * body.scale
    assert np.abs(np.abs((read.turns * shown.turns).sum(-1)) - 1.0).max() < 1e-9

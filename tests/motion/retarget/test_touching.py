"""Hands on the hips, on the head and on each other, on bodies of other proportions."""

from __future__ import annotations

import numpy as np
import pytest

from backend.motion import limb_ik
from backend.motion.representations import motion135
from backend.motion.retarget import performed
from backend.motion.skeleton import forward_kinematics
from backend.wire.skeleton import JOINT_NAMES

from . import bodies, rigs, walking

AT = {name: index for index, name in enumerate(JOINT_NAMES)}
WRISTS = [AT["left_wrist"], AT["right_wrist"]]


def reaching(where: str) -> np.ndarray:
    """motion_135 of two seconds: the hands go to a place of the body, stay, and come back."""
    data = walking.walk(60).astype(np.float64)
    root, local = motion135.unpack(np.repeat(data[:1], 60, axis=0))
    joints = forward_kinematics(local, root)
    at = {name: joints[:, index] for name, index in AT.items()}
    goals = {
        "head": [at["head"] + [0.1, 0.06, 0.0], at["head"] + [-0.1, 0.06, 0.0]],
        "hips": [at["left_hip"] + [0.09, -0.02, 0.0], at["right_hip"] + [-0.09, -0.02, 0.0]],
        "clap": [at["spine3"] + [0.03, 0.0, 0.35], at["spine3"] + [-0.03, 0.0, 0.35]],
    }[where]
    weight = np.clip((12.0 - np.abs(np.arange(60) - 30.0)) / 6.0, 0.0, 1.0)
    weight = (weight * weight * (3.0 - 2.0 * weight))[:, None, None]
    now = joints[:, WRISTS]
    targets = now + weight * (np.stack(goals, axis=1) - now)
    limit = limb_ik.reach(joints[:, limb_ik.ARMS.firsts], now, limb_ik.ARMS)
    return motion135.pack(root, limb_ik.solve_limbs(local, root, targets, limit, limb_ik.ARMS))


def other_body(trunk: float, arms: float) -> np.ndarray:
    """SMPL's joints in Blender's axes, the trunk higher and the arms longer by factors."""
    heads = rigs.body_heads()
    out = heads.copy()
    low = heads[AT["pelvis"], 2]
    for name, index in AT.items():
        if heads[index, 2] > low:
            out[index, 2] = low + trunk * (heads[index, 2] - low)
        for side in ("left", "right"):
            if name in (f"{side}_elbow", f"{side}_wrist"):
                start = AT[f"{side}_shoulder"]
                out[index] = out[start] + arms * (heads[index] - heads[start])
    return out


@pytest.mark.parametrize("shape", [(1.0, 1.15), (0.85, 1.2)])
@pytest.mark.parametrize("where", ["head", "hips", "clap"])
def test_hands_touch_what_they_touch_in_the_motion(where: str, shape: tuple[float, float]) -> None:
    body = bodies.body(other_body(*shape))
    data = reaching(where)
    root, local = motion135.unpack(data)
    source = forward_kinematics(local, root)
    near = slice(26, 35)
    part = {"head": "head", "hips": "left_hip", "clap": "right_wrist"}[where]
    wanted = source[near, AT["left_wrist"]] - source[near, AT[part]]

    def apart(hands: float) -> float:
        pose = performed(body, data, 30.0, 30.0, hands=hands)
        there = pose.places[:, body.of_joint["left_wrist"]] - pose.places[:, body.of_joint[part]]
        return float(np.linalg.norm(there[near] - body.scale * wanted, axis=-1).max())

    free, held = apart(0.0), apart(1.0)
    assert free > 0.03 * body.scale  # proportions alone miss by centimetres
    assert held < 0.02 * body.scale and held < 0.4 * free
    assert held < apart(0.5) < free


def test_hands_that_touch_nothing_and_the_rest_of_the_body_stay() -> None:
    body = bodies.body(other_body(1.15, 0.9))
    walk = walking.walk(60)
    still, free = (performed(body, walk, 30.0, 30.0, hands=h) for h in (1.0, 0.0))
    np.testing.assert_array_equal(still.turns, free.turns)
    data = reaching("head")
    held, free = (performed(body, data, 30.0, 30.0, hands=h) for h in (1.0, 0.0))
    for joint in ("left_ankle", "right_ankle"):
        moved = held.places[:, body.of_joint[joint]] - free.places[:, body.of_joint[joint]]
        assert np.linalg.norm(moved, axis=-1).max() < 2e-3 * body.scale
    arm = [body.of_joint["left_wrist"]]
    jumps = np.linalg.norm(np.diff(held.places[:, arm], n=2, axis=0), axis=-1).max()
    asked = np.linalg.norm(np.diff(free.places[:, arm], n=2, axis=0), axis=-1).max()
    assert jumps < 1.6 * asked  # it comes and goes without a pop

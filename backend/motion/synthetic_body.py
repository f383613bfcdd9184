"""A made-up body in the layout of SMPL's model files, for tests and benchmarks.

It holds nothing of SMPL: random points around the bones of the neutral skeleton, skinned to the
nearest joints, with small random shape and pose directions.
"""

from __future__ import annotations

import numpy as np

from ..wire.skeleton import HAND_OFFSETS, PARENTS
from .skeleton import rest_offsets

_FINGER = ((0, 1, 2),) * 5  # five fingers of three joints


def _parents(kind: str) -> list[int]:
    wrists = (PARENTS.index(18), PARENTS.index(19))
    parents = list(PARENTS)
    if kind == "smpl":
        return [*parents, *wrists]
    if kind == "smplx":
        parents += [PARENTS.index(12)] * 3
    for wrist in wrists:
        for finger in _FINGER:
            parents += [wrist if k == 0 else len(parents) + k - 1 for k in finger]
    return parents


def arrays(kind: str = "smpl", vertices: int = 300, seed: int = 0) -> dict[str, np.ndarray]:
    """Arrays of a body under SMPL's names.

    Args:
        kind: ``"smpl"``, ``"smplh"`` or ``"smplx"``.
        vertices: at least three per joint.
    """
    if kind not in ("smpl", "smplh", "smplx"):
        raise ValueError(f"unknown kind {kind!r}")
    rng = np.random.default_rng(seed)
    parents = np.array(_parents(kind))
    joints = len(parents)
    offsets = np.concatenate([rest_offsets(), HAND_OFFSETS])
    rest = np.zeros((joints, 3))
    rest[0] = [-0.002, -0.22, 0.03]
    for joint in range(1, joints):
        step = offsets[joint] if joint < 22 else rng.normal(0, 0.02, 3)
        rest[joint] = rest[parents[joint]] + step
    owner = np.arange(vertices) % joints
    scatter = rng.normal(0.0, 0.04, (vertices, 3))
    regressor = np.zeros((joints, vertices))
    regressor[owner, np.arange(vertices)] = 1.0
    regressor /= regressor.sum(1, keepdims=True)
    scatter -= (regressor @ scatter)[owner]  # so that the regressed joints are the rest joints
    weights = np.zeros((vertices, joints))
    share = rng.uniform(0.6, 1.0, vertices)
    weights[np.arange(vertices), owner] = share
    weights[np.arange(vertices), np.maximum(parents[owner], 0)] += 1.0 - share
    table = np.stack([parents, np.arange(joints)]).astype(np.uint32)  # the root as 2^32 - 1
    start = np.arange(vertices - 2)
    out = {
        "v_template": rest[owner] + scatter,
        "shapedirs": rng.normal(0.0, 0.01, (vertices, 3, 20 if kind == "smplx" else 10)),
        "posedirs": rng.normal(0.0, 1e-4, (vertices, 3, 9 * (joints - 1))),
        "J_regressor": regressor,
        "kintree_table": table,
        "weights": weights,
        "f": np.stack([start, start + 1, start + 2], 1).astype(np.uint32),
    }
    if kind != "smpl":
        for side in "lr":
            out[f"hands_components{side}"] = np.eye(45)
            out[f"hands_mean{side}"] = rng.normal(0.0, 0.1, 45)
    if kind == "smplx":
        out["lmk_faces_idx"] = np.zeros(51, dtype=np.int64)
        out["lmk_bary_coords"] = np.full((51, 3), 1.0 / 3.0)
    return out

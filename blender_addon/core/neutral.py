"""The neutral SMPL-22 body at rest."""

from __future__ import annotations

import numpy as np

from ..backend_access import NUM_JOINTS, PARENTS, REST_OFFSETS, SOLE_HEIGHT


def rest_heads() -> np.ndarray:
    """``[22, 3]`` rest joints of the neutral SMPL-22 body in metres, Y-up, soles on y = 0."""
    heads = np.zeros((NUM_JOINTS, 3))
    for joint, parent in enumerate(PARENTS):
        heads[joint] = np.asarray(REST_OFFSETS[joint]) + (heads[parent] if parent >= 0 else 0.0)
    heads[:, 1] += SOLE_HEIGHT - heads[:, 1].min()
    return heads

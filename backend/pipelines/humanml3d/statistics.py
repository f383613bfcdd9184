"""Mean.npy and Std.npy of models on HumanML3D features, and the mix-up that ruins their motions.

HumanML3D has two sets of statistics. Models are trained with the data set's own ``Mean.npy`` and
``Std.npy``. The evaluator of Guo et al. has others, in which the deviations of root and contact
columns are 25 times smaller (its training divided them by 5, twice). A model un-normalised with the
evaluator's drifts without moving its root, which looks like a bad model and not like a bad file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import ArtifactError
from ...motion.representations.hml263 import HML22, KIT21
from ...motion.representations.spec import RepresentationSpec
from ...store.statistics import Stats, read_pair, write_pair

MEAN, STD = "Mean.npy", "Std.npy"
SPECS: dict[int, RepresentationSpec] = {s.dim: s for s in (HML22.spec, KIT21.spec)}
"""Columns of the features by their number: 263 HumanML3D, 251 KIT-ML."""
SUSPICIOUS = 0.25
"""Root and contact deviations below this part of what other columns imply are the evaluator's:
1/25 there, or 1/5 if divided once; 1 in training statistics, give or take."""
_HINT = "Copy it again: it came with the model, or lies beside new_joint_vecs of the training data."
_EVALUATOR_HINT = (
    "Give the Mean.npy and Std.npy that lie beside new_joint_vecs in the training data "
    "(HumanML3D/Mean.npy and Std.npy), not t2m_mean.npy and t2m_std.npy of the evaluator "
    "(nor those of its Comp_v6_KLD01 folder)."
)


def read(mean: Path, std: Path, dim: int) -> Stats:
    """Training statistics from two ``.npy`` files.

    Raises:
        ArtifactError: a file is missing, no plain array ``[dim]``, not finite, a deviation is not
            positive, or they are the evaluator's.
    """
    stats = read_pair(mean, std, dim, hint=_HINT)
    refuse_evaluator(stats, str(std))
    return stats


def refuse_evaluator(stats: Stats, where: str) -> None:
    """Raise :class:`ArtifactError` when the statistics are those of HumanML3D's evaluator.

    Two relations hold in any training statistics and fail by 25 in the evaluator's: a contact is 0
    or 1, so its deviation follows from its mean, sqrt(p (1 - p)); and the root's speed is stored
    twice, as root velocity and as that of joint 0.
    """
    ratios = root_and_contact_ratios(stats)
    if all(ratio < SUSPICIOUS for ratio in ratios):
        times = " and ".join(f"{1 / ratio:.0f}" for ratio in ratios)
        raise ArtifactError(
            f"{where} holds the evaluator's statistics, not those that the model was trained with: "
            f"deviations of root and contacts are {times} times too small for the others.",
            _EVALUATOR_HINT,
        )


def root_and_contact_ratios(stats: Stats) -> list[float]:
    """Deviations of root velocity and contacts over what other columns imply; 1 in training's.

    The contacts' is left out where their means are no probabilities (made-up statistics).
    """
    spec = SPECS[len(stats.std)]
    mean, std = stats.mean.double().numpy(), stats.std.double().numpy()
    joint0 = std[spec.columns("velocities")].reshape(-1, 3)[0]
    across = joint0[[0, 2]]
    ratios = [float(std[spec.columns("root_velocity")].mean() / across.mean())]
    p = mean[spec.columns("contacts")]
    if ((p > 0) & (p < 1)).all():
        implied = np.sqrt(p * (1 - p)).mean()
        ratios.append(float(std[spec.columns("contacts")].mean() / implied))
    return ratios


def write(folder: Path, stats: Stats) -> None:
    """``Mean.npy`` and ``Std.npy``, float32."""
    write_pair(folder / MEAN, folder / STD, stats)

"""SMPL, SMPL-H and SMPL-X bodies: rest joints, skeleton and mesh of a motion.

The files are not part of Kinetype (their licence forbids it); people download their own. Skinning
is that of the ``smplx`` package (``smplx.lbs``). Hands, jaw and eyes stay at rest, and the hands
are flat. Pose blend shapes move vertices but no joints, so joints are rigid kinematics on
:meth:`BodyModel.offsets`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import FormatError, MissingDependency
from .io import npz, strangers
from .representations import motion135
from .skeleton import NUM_JOINTS, PARENTS

KINDS: dict[int, str] = {24: "smpl", 52: "smplh", 55: "smplx"}
"""Kind of a body by its number of joints."""

_SMPLX_SHAPES = 300  # columns of shapedirs before the expressions, where a file has them all
_FEW_SHAPES = 10  # the same in the small SMPL-X files
_CHUNK = 64  # frames skinned at once: 64 SMPL-X frames need about 0.5 GB
_KEYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "kintree_table", "weights", "f")
_HINT = "Expected an SMPL, SMPL-H or SMPL-X model file (.npz or .pkl) from its official site."


@dataclass(frozen=True)
class BodyModel:
    """A body; V vertices, J joints.

    Attributes:
        kind: ``"smpl"``, ``"smplh"`` or ``"smplx"``.
        template: ``[V, 3]`` mean body (m, Y-up).
        shape_directions: ``[V, 3, B]`` per unit of beta.
        pose_directions: ``[V, 3, 9 (J - 1)]``.
        joint_regressor: ``[J, V]``.
        parents: ``[J]``, -1 for the pelvis.
        weights: ``[V, J]`` of skinning.
        faces: ``[F, 3]``.
    """

    kind: str
    template: np.ndarray
    shape_directions: np.ndarray
    pose_directions: np.ndarray
    joint_regressor: np.ndarray
    parents: np.ndarray
    weights: np.ndarray
    faces: np.ndarray

    @classmethod
    def load(cls, path: str | Path) -> BodyModel:
        """Read a model file. Nothing that a ``.pkl`` names is run.

        Raises:
            FormatError: unreadable, keys missing, shapes that do not fit together, or a pickle that
                names anything but arrays.
        """
        path = Path(path)
        arrays = _read(path)
        missing = [key for key in _KEYS if key not in arrays or arrays[key].size == 0]
        if missing:
            raise FormatError(f"{path} has no {', '.join(missing)}.", _HINT)
        template = arrays["v_template"]
        vertices, joints = len(template), len(arrays["J_regressor"])
        expected = {
            "v_template": (vertices, 3),
            "J_regressor": (joints, vertices),
            "weights": (vertices, joints),
            "posedirs": (vertices, 3, 9 * (joints - 1)),
            "kintree_table": (2, joints),
        }
        wrong = [key for key, shape in expected.items() if arrays[key].shape != shape]
        shapes = arrays["shapedirs"]
        if joints not in KINDS or wrong or shapes.shape[:2] != (vertices, 3) or shapes.ndim != 3:
            what = f"{wrong[0]} has shape {list(arrays[wrong[0]].shape)}" if wrong else "its shapes"
            raise FormatError(f"{path} is no body of {joints} joints ({what}).", _HINT)
        parents = arrays["kintree_table"][0].astype(np.int64)
        parents[0] = -1
        if tuple(parents[:NUM_JOINTS]) != PARENTS or (parents >= np.arange(joints)).any():
            raise FormatError(f"{path} connects its joints in another way than SMPL.", _HINT)
        faces = arrays["f"].astype(np.int64)
        if faces.ndim != 2 or faces.shape[1] != 3 or faces.min() < 0 or faces.max() >= vertices:
            raise FormatError(f"{path} has faces that name no vertices.", _HINT)
        numbers = [k for k in _KEYS if not np.isfinite(arrays[k].astype(np.float64)).all()]
        if numbers:
            raise FormatError(f"{path}: {numbers[0]} holds NaN or infinite values.", _HINT)
        kind = KINDS[joints]
        if kind == "smplx":
            full = shapes.shape[2] >= _SMPLX_SHAPES + 100
            shapes = shapes[..., : _SMPLX_SHAPES if full else _FEW_SHAPES]
        return cls(
            kind,
            template.astype(np.float64),
            shapes.astype(np.float64),
            arrays["posedirs"].astype(np.float64),
            arrays["J_regressor"].astype(np.float64),
            parents,
            arrays["weights"].astype(np.float64),
            faces,
        )

    def _betas(self, betas: np.ndarray | None) -> np.ndarray:
        """``[B]`` with zeros for what is not given; :class:`FormatError` for too many."""
        count = self.shape_directions.shape[2]
        out = np.zeros(count)
        if betas is not None:
            given = np.asarray(betas, dtype=np.float64).reshape(-1)
            if len(given) > count or not np.isfinite(given).all():
                raise FormatError(
                    f"This {self.kind} body takes up to {count} finite betas, not {len(given)}.",
                    "Give fewer, or none for the mean shape.",
                )
            out[: len(given)] = given
        return out

    def rest_joints(self, betas: np.ndarray | None = None) -> np.ndarray:
        """Joints ``[J, 3]`` (m, Y-up) of the body with ``betas [<= B]`` in its rest pose."""
        return self.joint_regressor @ (self.template + self.shape_directions @ self._betas(betas))

    def offsets(self, betas: np.ndarray | None = None) -> np.ndarray:
        """Parent-relative offsets ``[22, 3]`` of the body joints; the first is the rest pelvis.

        For motion_135, whose root is the pelvis itself, set the first row to zero.
        """
        joints = self.rest_joints(betas)[:NUM_JOINTS]
        out = joints.copy()
        out[1:] -= joints[list(PARENTS[1:])]
        return out

    def joints(self, x: np.ndarray, betas: np.ndarray | None = None) -> np.ndarray:
        """Joints ``[T, 22, 3]`` of motion_135 ``[T, 135]`` on this body."""
        offsets = self.offsets(betas)
        offsets[0] = 0.0
        return motion135.joints(np.asarray(x, dtype=np.float64), offsets)

    def vertices(self, x: np.ndarray, betas: np.ndarray | None = None) -> np.ndarray:
        """Mesh ``[T, V, 3]`` (float32, m, Y-up) of motion_135 ``[T, 135]``.

        Raises:
            MissingDependency: the package ``smplx`` is not installed.
            FormatError: bad motion or betas.
        """
        try:
            import torch
            from smplx.lbs import lbs
        except ImportError as error:
            raise MissingDependency(
                "Body meshes need the package smplx.", "pip install smplx"
            ) from error
        root, rotations = motion135.unpack(x)
        joints = len(self.parents)
        shape, rest = self._betas(betas), self.rest_joints(betas)

        def tensor(a: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(np.ascontiguousarray(a, dtype=np.float32))

        pose_directions = tensor(self.pose_directions.reshape(-1, 9 * (joints - 1)).T)
        fixed = [tensor(a) for a in (self.template[None], self.shape_directions)]
        tail = (
            tensor(self.joint_regressor),
            torch.from_numpy(self.parents),
            tensor(self.weights),
        )
        out = np.empty((len(root), len(self.template), 3), dtype=np.float32)
        for start in range(0, len(root), _CHUNK):
            part = slice(start, start + _CHUNK)
            pose = np.tile(np.eye(3), (len(root[part]), joints, 1, 1))
            pose[:, :NUM_JOINTS] = rotations[part]
            coefficients = tensor(np.tile(shape, (len(pose), 1)))
            with torch.no_grad():
                mesh, _ = lbs(
                    coefficients, tensor(pose), *fixed, pose_directions, *tail, pose2rot=False
                )
            out[part] = mesh.numpy() + (root[part] - rest[0])[:, None].astype(np.float32)
        return out


def _read(path: Path) -> dict[str, np.ndarray]:
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return npz.read_arrays(path)
    if suffix == ".pkl":
        return strangers.read_arrays(path)
    raise FormatError(f"{path} is no body model.", _HINT)

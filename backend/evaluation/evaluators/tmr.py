"""TMR as evaluator (Petrovich et al., ICCV 2023): contrastive text and motion encoders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import Tensor

from ...errors import ArtifactError
from ...motion.io import torch_file
from ...store.model_folder import sha256_of
from ...text.distilbert import DistilBertEncoder
from .parts import base
from .parts.actor import ActorEncoder, encoder_config
from .parts.actor_pair import ActorPairEvaluator

WEIGHTS = ("last_weights", "latest_weights", ".")
MEANS = ("stats/humanml3d/guoh3dfeats/mean.pt", "mean.pt", "mean.npy")
_HINT = "It is a TMR run: last_weights/{motion_encoder,text_encoder}.pt and its mean and std."
_EPS = 1e-12


class TMREvaluator(ActorPairEvaluator):
    """Embeddings are the means of the latents; distances are cosines of them.

    The motions are HumanML3D features in TMR's own statistics (unweighted deviations of its
    training split), not the data set's Mean.npy and Std.npy.
    """

    name = "tmr"
    unit = tmr_score = True
    representation = native = "hml263"
    dim = 263
    fps = 20.0
    min_frames = 20
    max_frames = 200

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, *, device: str | None = None, local_files_only: bool = False
    ) -> TMREvaluator:
        """Load a TMR run directory.

        Raises:
            ArtifactError: a file is missing or of another model.
            MissingDependency: DistilBERT is nowhere on this computer.
        """
        root = Path(folder).expanduser()
        nets, files = {}, []
        for name in ("motion_encoder", "text_encoder"):
            candidates = [f"{sub}/{name}.{end}" for sub in WEIGHTS for end in ("pt", "safetensors")]
            path = base.first_file(root, candidates, f"the {name}", _HINT)
            weights = base.read_checkpoint(path)
            try:
                nets[name] = ActorEncoder(encoder_config(weights))
            except KeyError as error:
                raise ArtifactError(f"{path} lacks the tensor {error}.", _HINT) from error
            base.load_exact(nets[name], weights, str(path))
            files.append(path)
        mean_file = base.first_file(root, MEANS, "the mean", _HINT)
        std_file = mean_file.with_name(mean_file.name.replace("mean", "std"))
        mean, std = _statistics(mean_file, std_file, nets["motion_encoder"].config.features)
        reader = DistilBertEncoder.load(root, device=device, local_files_only=local_files_only)
        files += [mean_file, std_file]
        hashes = {str(path.relative_to(root)): sha256_of(path) for path in files}
        device = device or "cpu"
        motion, text = (nets[n].to(device) for n in ("motion_encoder", "text_encoder"))
        return cls(motion, text, reader, mean, std + _EPS, hashes)


def _statistics(mean: Path, std: Path, dim: int) -> tuple[np.ndarray, np.ndarray]:
    if mean.suffix == ".npy":
        return base.statistics(mean, std, dim)
    found = []
    for path in (mean, std):
        try:
            values = torch_file.load(path)
        except Exception as error:  # torch, zipfile and pickle each raise their own
            raise ArtifactError(f"{path} cannot be read as a tensor.", _HINT, str(error)) from error
        if not isinstance(values, Tensor) or tuple(values.shape) != (dim,):
            raise ArtifactError(f"{path} must hold {dim} numbers.", _HINT)
        found.append(values.numpy())
    return found[0], found[1]

"""MotionCLIP-135: CLIP-like towers over motion_135 with column-major rot6d."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import ArtifactError, KinetypeError
from ...motion.representations import motion135
from ...motion.rotations import matrix_to_rot6d_column
from ...store.config_files import read_json
from ...store.model_folder import sha256_of
from ...text.panics import panics_are_errors
from ..hml3d_items import Caption
from .parts import base
from .parts.motionclip135_network import MotionCLIP

WEIGHTS = ("motionclip_model.safetensors", "model.safetensors")
CONFIG = "bundle_config.json"
STATISTICS = ("mean_std.json", "smpl22_mean_std.json", "stats.json")
HUB_FILES = (*WEIGHTS, CONFIG, *STATISTICS, "tokenizer*.json", "vocab.json", "merges.txt")
TOKENIZER = "openai/clip-vit-base-patch32"
"""Where the words are when the folder has none, which is how the code was published."""
_HINT = (
    "It is the folder with motionclip_model.safetensors and bundle_config.json; the mean and std of"
    " SMPL-22 (mean_std.json) belong into it too."
)
_BUFFERS = ("position_ids",)


class MotionCLIP135Evaluator(base.Evaluator):
    """Raw projections, no L2 normalisation; diversity is taken on unit vectors with the L1 norm.

    The code was published, weights never were. Its folders hold neither statistics nor words:
    without ``mean_std.json`` motions cannot be embedded, and words come from CLIP's own folder.
    """

    name = "motionclip135"
    unit_l1 = True
    representation = native = "motion135"
    dim = 135
    fps = 30.0
    min_frames = 1
    max_frames = 300

    def __init__(
        self,
        net: MotionCLIP,
        tokenizer: Callable[..., Mapping[str, Tensor]],
        mean: np.ndarray | None,
        std: np.ndarray | None,
        hashes: Mapping[str, str] | None = None,
    ) -> None:
        unknown = np.full(self.dim, np.nan)
        super().__init__(unknown if mean is None else mean, unknown if std is None else std, hashes)
        self.net = net.eval().requires_grad_(False)
        self._tokenizer = tokenizer

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, *, device: str | None = None, local_files_only: bool = False
    ) -> MotionCLIP135Evaluator:
        """Load a folder.

        Raises:
            ArtifactError: a file is missing, or its tensors have other names; both lists are then
                in the error's detail.
        """
        root = base.folder_of(folder, HUB_FILES, local_files_only=local_files_only)
        path = base.first_file(root, WEIGHTS, "the weights", _HINT)
        weights = {
            key: value
            for key, value in base.read_checkpoint(path).items()
            if not key.endswith(_BUFFERS)
        }
        net = _network(weights, read_json(root / CONFIG), path)
        files = [path]
        mean = std = None
        if any((root / name).is_file() for name in STATISTICS):
            files.append(base.first_file(root, STATISTICS, "the statistics", _HINT))
            mean, std = _statistics(files[-1])
        has_words = any((root / n).is_file() for n in ("tokenizer.json", "vocab.json"))
        tokenizer = functools.partial(
            _tokenizer, root if has_words else TOKENIZER, local_files_only=local_files_only
        )
        hashes = {p.name: sha256_of(p) for p in files}
        return cls(net.to(device or "cpu"), tokenizer, mean, std, hashes)

    def checked(self, motion: np.ndarray, what: str) -> np.ndarray:
        """As the others; the row-major rot6d of motion_135 becomes column-major."""
        if np.isnan(self.mean).any():
            raise ArtifactError(
                "This MotionCLIP has no statistics, so it cannot read motions.",
                "Put the mean and std of SMPL-22 beside its weights as mean_std.json.",
            )
        motion = super().checked(motion, what)
        root, rotations = motion135.unpack(motion)
        columns = matrix_to_rot6d_column(rotations).reshape(len(motion), -1)
        return np.concatenate([root, columns], -1).astype(np.float32)

    def _embed_motion_batch(self, motions: Sequence[np.ndarray]) -> Tensor:
        x, lengths = self._padded(motions), base.lengths_of(motions)
        mask = torch.arange(x.shape[1]) < lengths[:, None]
        last = x[torch.arange(len(x)), lengths - 1]
        # the protocol pads with the last frame; masked anyway
        x = torch.where(mask[..., None], x, last[:, None])
        device = self.net.logit_scale.device
        return self.net.embed_motion(x.to(device), mask.to(device))

    def _embed_text_batch(self, captions: Sequence[Caption]) -> Tensor:
        if isinstance(self._tokenizer, functools.partial):
            self._tokenizer = self._tokenizer()
        made = self._tokenizer(
            [c.text for c in captions],
            padding=True,
            max_length=self.net.text_model.context,
            truncation=True,
            return_tensors="pt",
        )
        device = self.net.logit_scale.device
        ids, mask = made["input_ids"].to(device), made["attention_mask"].to(device)
        return self.net.embed_text(ids, mask.bool())


def _tokenizer(place: str | Path, *, local_files_only: bool) -> Any:
    from transformers import AutoTokenizer

    try:
        with panics_are_errors():
            return AutoTokenizer.from_pretrained(place, local_files_only=local_files_only)
    except Exception as error:  # transformers raises many kinds for a damaged folder
        raise ArtifactError(f"{place} holds no CLIP tokenizer.", _HINT, str(error)) from error


def _network(weights: Mapping[str, Tensor], config: Mapping[str, object], path: Path) -> MotionCLIP:
    towers = (config.get(f"{tower}_config") for tower in ("text", "motion"))
    text, motion = (tower if isinstance(tower, Mapping) else {} for tower in towers)
    try:
        net = MotionCLIP.of_weights(
            weights,
            {
                "heads": int(text.get("num_attention_heads", 8)),
                "end": int(text.get("eos_token_id", 49407)),
            },
            {"heads": int(motion.get("num_attention_heads", 12))},
        )
    except KeyError as error:
        raise ArtifactError(
            f"{path} lacks the tensor {error}, it is no MotionCLIP of motion_135.",
            "Give the released checkpoint of this evaluator.",
            f"found: {sorted(weights)}",
        ) from error
    except (TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise ArtifactError(f"{CONFIG} does not fit {path}: {error}.", _HINT) from error
    base.load_exact(net, weights, str(path))
    return net


def _statistics(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        values = read_json(path)
        mean, std = (np.asarray(values[key], np.float32).ravel() for key in ("mean", "std"))
    except (KeyError, ValueError, KinetypeError) as error:
        raise ArtifactError(f"{path} must hold 'mean' and 'std'.", _HINT) from error
    if mean.shape != (135,) or std.shape != (135,) or not (std > 0).all():
        raise ArtifactError(f"{path} must hold 135 means and positive deviations.", _HINT)
    return mean, std

"""One tiny model of every family, for tests that hold for all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from backend.diffusion.schedule import Schedule
from backend.models.action_mdm import ActionMDM, ActionMDMConfig
from backend.models.dit import DiT, DiTConfig
from backend.motion.representations import motion135, smplrifke205
from backend.pipelines.action_mdm.pipeline import ActionMDMPipeline, ActionMDMPipelineConfig
from backend.pipelines.dit.config import DiTPipelineConfig
from backend.pipelines.dit.pipeline import DiTPipeline
from backend.pipelines.mogents import MoGenTSPipeline
from backend.pipelines.motiongpt import MotionGPTPipeline
from backend.store.model_folder import Stats

from . import mdm_files
from .conftest import _swinging_clip
from .mogents_model import unpack_model

FAMILIES = ("action_mdm", "dit", "mdm", "mogents", "motiongpt")
MOTIONGPT = Path(__file__).parent / "parity/golden/motiongpt/artifact"


def tiny(family: str, folder: Path) -> Any:
    """A pipeline on the CPU that moves a little; ``folder`` takes the files it is made from."""
    if family == "mdm":
        stats = mdm_files.walking_stats(_swinging_clip)
        return mdm_files.tiny_pipeline(stats, folder / "clip")
    if family == "mogents":
        place = unpack_model(folder)
        return MoGenTSPipeline.from_pretrained(place, device="cpu", local_files_only=True)
    if family == "motiongpt":
        return MotionGPTPipeline.from_pretrained(MOTIONGPT, device="cpu")
    return {"dit": _dit, "action_mdm": _action_mdm}[family]()


def _dit() -> DiTPipeline:
    torch.manual_seed(0)
    network = DiTConfig(width=32, depth=1, heads=2, stem_width=16, max_frames=128)
    net = DiT(network)
    # the output layer starts at zero; without this every seed would give the same motion
    torch.nn.init.normal_(net.head2.weight, std=0.1)
    still = np.broadcast_to(np.eye(3), (60, 22, 3, 3)).copy()
    standing = motion135.pack(np.tile([0.0, 0.93, 0.0], (60, 1)), still)
    mean = torch.from_numpy(np.asarray(smplrifke205.from_motion135(standing)).mean(0)).float()
    config = DiTPipelineConfig(
        network, Schedule("cosine", 20), name="tiny", max_frames=100, steps=4
    )
    return DiTPipeline(config, net, Stats(mean, torch.full_like(mean, 0.02)), device="cpu")


def _action_mdm() -> ActionMDMPipeline:
    torch.manual_seed(0)
    network = ActionMDMConfig(
        num_actions=2, num_joints=22, latent_dim=16, num_heads=2, num_layers=1, ff_dim=32
    )
    config = ActionMDMPipelineConfig(
        network, ("walk", "jump"), schedule=Schedule("linear", 20), steps=4, num_frames=40
    )
    joints = torch.from_numpy(motion135.joints(_swinging_clip(frames=40))).float()
    stats = Stats(joints.mean(0).flatten(), torch.full((66,), 0.05))
    return ActionMDMPipeline(config, ActionMDM(network), stats, device="cpu")

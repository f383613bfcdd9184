"""MDM's losses and one whole training step against golden data."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.diffusion.mdm_losses import ACTION_RECIPE, LossWeights, mdm_losses
from backend.diffusion.schedule import Schedule
from backend.motion.action_body import SMPL24_PARENTS, ActionBody
from tests.parity.mdm_golden import frame_mask, gap, golden, released

SCHEDULE = Schedule("cosine", 1000)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("plain", LossWeights()),
        ("vel1", LossWeights(velocity=1.0)),
        ("fc1", LossWeights(contact=1.0)),
    ],
)
def test_text_losses(name: str, weights: LossWeights) -> None:
    z, _ = golden("text_enc/training_losses")
    x_t = SCHEDULE.q_sample(z["x0"], z["t"], z["noise"])
    assert gap(x_t, z["x_t"]) < 1e-6
    mask = frame_mask(z["lengths"], 10)
    with torch.no_grad():
        out = released("text_enc")(x_t, z["t"], {"text_embed": z["text_embed"], "mask": mask})
    for term, value in mdm_losses(out, z["x0"], mask, weights).items():
        assert gap(value, z[f"{name}_{term}"]) < 1e-5


def test_training_step() -> None:
    z, manifest = golden("text_enc/training_losses")
    np.random.seed(manifest["train_seed"])
    steps = np.random.choice(1000, size=(3,), p=np.full(1000, 1 / 1000))
    assert steps.tolist() == z["train_t"].tolist()
    net = released("text_enc").train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, weight_decay=0.0)
    bias = net.output_process.poseFinal.bias
    average = bias.detach().clone()
    torch.manual_seed(manifest["train_seed"])
    t, mask = z["train_t"], frame_mask(z["lengths"], 10)
    x_t = SCHEDULE.q_sample(z["x0"], t, torch.randn_like(z["x0"]))
    out = net(x_t, t, {"text_embed": z["text_embed"], "mask": mask})
    loss = mdm_losses(out, z["x0"], mask)["loss"]
    assert gap(loss.detach(), z["train_loss"]) < 1e-5
    loss.mean().backward()
    norm = torch.nn.utils.get_total_norm([p.grad for p in net.parameters() if p.grad is not None])
    assert float(norm) == pytest.approx(float(z["train_grad_norm"]), abs=1e-5)
    assert gap(bias.grad, z["train_grad_poseFinal_bias"]) < 1e-6
    optimizer.step()
    average.mul_(0.9999).add_(bias.detach(), alpha=1e-4)
    assert gap(bias.detach(), z["train_param_after"]) < 1e-6
    assert gap(average, z["train_ema_after"]) < 1e-6


def test_geometric_losses_of_actions() -> None:
    z, _ = golden("action/geometric_losses")
    body = ActionBody(z["toy_rest_joints"])
    assert list(SMPL24_PARENTS) == z["toy_parents"].tolist()
    mask = frame_mask(z["lengths"], 12)
    x_t = SCHEDULE.q_sample(z["x0"], z["t"], z["noise"])
    with torch.no_grad():
        out = released("action")(x_t, z["t"], {"action": z["action"]})
    assert gap(out, z["model_output"]) < 1e-5
    assert gap(body.joints(z["x0"]), z["target_xyz"]) < 1e-5
    assert gap(body.joints(z["model_output"]), z["pred_xyz"]) < 1e-5
    moved = body.joints(z["x0"], translate=True, frame_mask=mask[:, 0, 0])
    assert gap(moved, z["target_xyz_translated"]) < 1e-5
    terms = mdm_losses(z["model_output"], z["x0"], mask, ACTION_RECIPE, body.joints)
    assert set(terms) == {"rot_mse", "vel_mse", "rcxyz_mse", "fc", "loss"}
    for term, value in terms.items():
        assert gap(value, z[f"loss_{term}"]) < 1e-5

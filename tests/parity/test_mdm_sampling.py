"""MDM's sampling loops against golden data: the exact mode, and the default (batched) mode.

The noise must be equal to the last bit. Samples are compared within the spread between processors
(their matrix kernels round differently); tests/models/test_mdm_exact.py proves the exact mode to be
bit-identical to the released way on one machine.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.diffusion import exact
from backend.diffusion.exact import ReleasedProcess, released_noise, respaced, sample_exact
from backend.diffusion.loop import sample
from backend.diffusion.schedule import Schedule
from backend.models.mdm.fast import FastMDM
from backend.motion.representations import hml263
from backend.pipelines.mdm import planner
from tests.parity.mdm_golden import (
    GOLDEN,
    batch_first,
    frame_mask,
    from_manifest,
    gap,
    golden,
    released,
    text_of,
)

LOOPS = {
    "sample_ddpm50": (50, None, 2.5, "ddpm"),
    "sample_ddpm50_nocfg": (50, None, 1.0, "ddpm"),
    "sample_ddim50": (1000, "ddim50", 2.5, "ddim"),
    "sample_ddpm1000_respaced50": (1000, [50], 2.5, "ddpm"),
    "sample_ddpm1000": (1000, None, 2.5, "ddpm"),
}
EXACT, DEFAULT = 5e-5, 1e-4


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """The first four values of each step's noise."""
    heads: list[torch.Tensor] = []
    draw = exact.noise_like

    def watched(x: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        noise = draw(x, generator)
        heads.append(noise.reshape(-1)[:4].clone())
        return noise

    monkeypatch.setattr(exact, "noise_like", watched)
    return heads


def text_condition() -> dict:
    z, _ = golden("text_enc/forward")
    return {"text_embed": z["text_embed"], "mask": frame_mask(z["lengths"], 10)}


@pytest.mark.parametrize("name", LOOPS)
def test_exact_loops(name: str, drawn: list[torch.Tensor]) -> None:
    z, _ = golden(f"text_enc/{name}")
    steps, rule, guidance, sampler = LOOPS[name]
    states: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
    out = sample_exact(
        released("text_enc"),
        z["shape"].tolist(),
        process=ReleasedProcess.of(Schedule("cosine", steps), rule),
        y=text_condition(),
        guidance=guidance,
        generator=torch.Generator().manual_seed(int(z["seed"])),
        sampler=sampler,
        on_x0=lambda i, x0, x: states.update({i: (x0, x)}),
    )
    assert torch.equal(torch.stack(drawn), z["noise_heads"])
    assert gap(out, z["final"]) < EXACT
    for i, at in enumerate(z["dump_idx"].long().tolist()):
        assert gap(states[at][0], z["dump_x0"][i]) < EXACT
        assert gap(states[at][1], z["dump_sample"][i]) < EXACT


@pytest.mark.parametrize("name", LOOPS)
def test_default_loops_have_the_same_noise_and_result(name: str) -> None:
    z, _ = golden(f"text_enc/{name}")
    steps, rule, guidance, sampler = LOOPS[name]
    batch, joints, channels, frames = shape = z["shape"].tolist()
    noise = released_noise(shape, torch.Generator().manual_seed(int(z["seed"])))
    out = sample(
        FastMDM(released("text_enc")),
        (batch, frames, joints * channels),
        schedule=Schedule("cosine", steps),
        sampler=sampler,
        steps=respaced(steps, rule),
        guidance=guidance,
        y=text_condition(),
        noise=noise,
    )
    assert gap(out, batch_first(z["final"])) < DEFAULT


def test_first_draw() -> None:
    z, _ = golden("text_enc/sample_ddpm50")
    start = torch.randn(*z["shape"].tolist(), generator=torch.manual_seed(int(z["seed"])))
    assert torch.equal(start.flatten()[:16], z["x_T_head"])


def test_explicit_noise_equals_the_seed() -> None:
    z, _ = golden("text_enc/sample_explicit_noise")
    options = {
        "process": ReleasedProcess.of(Schedule("cosine", 50)),
        "y": {"text_embed": z["text_embed"]},
        "guidance": float(z["scale"]),
    }
    net = released("text_enc")
    given = iter([z["x_T"], *z["step_noise"][:, None, :, None]])
    states = {}
    out = sample_exact(
        net, (1, 263, 1, 2), noise=lambda: next(given),
        on_x0=lambda i, x0, x: states.update({i: (x0, x)}), **options,
    )  # fmt: skip
    assert gap(out, z["final"]) < EXACT
    for i, at in enumerate(z["dump_idx"].tolist()):
        assert gap(states[at][0], z["dump_x0"][i]) < EXACT
        assert gap(states[at][1], z["dump_sample"][i]) < EXACT
    seeded = torch.Generator().manual_seed(int(z["seed"]))
    assert torch.equal(out, sample_exact(net, (1, 263, 1, 2), generator=seeded, **options))


@pytest.mark.parametrize("mode", ["in_between", "upper_body"])
def test_editing_keeps_what_it_shall(mode: str) -> None:
    z, _ = golden("text_enc/edit_inpainting")
    reference = z["inpainted_motion"]
    if mode == "in_between":
        mask = torch.ones_like(reference, dtype=torch.bool)
        for row, length in enumerate(z["lengths"].tolist()):
            mask[row, ..., int(0.25 * length) : int(0.75 * length)] = False
    else:
        mask = z["lower_body_mask"][None, :, None, None].expand_as(reference)
    net, guidance = released("text_enc"), float(z["scale"])
    y = text_condition() | {"mask": frame_mask(z["lengths"], 10)}
    shape, seed = (2, 263, 1, 10), int(z["seed"])
    out = sample_exact(
        net, shape, process=ReleasedProcess.of(Schedule("cosine", 50)), y=y, guidance=guidance,
        generator=torch.Generator().manual_seed(seed), inpaint=(mask, reference),
    )  # fmt: skip
    assert gap(out, z[f"final_{mode}"]) < EXACT
    assert torch.equal(out[mask], reference[mask])
    default = sample(
        FastMDM(net), (2, 10, 263), schedule=Schedule("cosine", 50), sampler="ddpm", y=y,
        guidance=guidance, inpaint=(batch_first(mask), batch_first(reference)),
        noise=released_noise(shape, torch.Generator().manual_seed(seed)),
    )  # fmt: skip
    assert gap(default, batch_first(z[f"final_{mode}"])) < DEFAULT


def test_action_loop() -> None:
    z, _ = golden("action/sample_ddpm")
    inputs, _ = golden("action/forward")
    out = sample_exact(
        released("action"), z["shape"].tolist(), y={"action": inputs["action"]},
        process=ReleasedProcess.of(Schedule("cosine", 50)),
        generator=torch.Generator().manual_seed(int(z["seed"])),
    )  # fmt: skip
    assert gap(out, z["final"]) < 1e-4


def test_ema_decoder_loop() -> None:
    z, _ = golden("trans_dec_bert_ema/goldens")
    out = sample_exact(
        released("trans_dec_bert_ema"), (2, 263, 1, 8), guidance=float(z["scale"]),
        y={"text_embed": text_of(z), "mask": frame_mask(z["lengths"], 8)},
        process=ReleasedProcess.of(Schedule("cosine", 50)),
        generator=torch.Generator().manual_seed(int(z["seed"])),
    )  # fmt: skip
    assert gap(out, z["final"]) < 1e-4


def test_prefix_rollout() -> None:
    z, manifest = golden("dip_prefix")
    net = from_manifest(manifest)
    steps: list[tuple[int, int]] = []
    rollout = planner.rollout_exact(
        net, z["prefix"], manifest["required_frames"],
        process=ReleasedProcess.of(Schedule("cosine", manifest["diffusion"]["steps"])),
        condition=lambda index: {"text_embed": text_of(z)},
        guidance=float(z["scale"]), generator=torch.Generator().manual_seed(int(z["seed"])),
        on_step=lambda done, total: steps.append((done, total)),
    )  # fmt: skip
    assert gap(rollout, z["autoregressive_final"]) < 2e-4
    assert steps[0] == (0, 30) and steps[-1] == (30, 30) and steps == sorted(steps)


def test_prefix_rollout_of_the_default_loop() -> None:
    z, manifest = golden("dip_prefix")
    net, generator = from_manifest(manifest), torch.Generator().manual_seed(int(z["seed"]))
    denoise = FastMDM(net).guided(float(z["scale"]))

    def window(prefix: torch.Tensor, index: int) -> torch.Tensor:
        noise = released_noise((2, 263, 1, 8), generator)
        part = sample(
            planner.after(denoise, prefix), (2, 8, 263), sampler="ddpm", noise=noise,
            schedule=Schedule("cosine", manifest["diffusion"]["steps"]),
            y={"text_embed": text_of(z)},
        )  # fmt: skip
        noise()  # the release draws at its last step too
        return part

    rollout = planner.chain(window, batch_first(z["prefix"]), manifest["required_frames"], 8, 1)
    assert gap(rollout, batch_first(z["autoregressive_final"])) < 2e-4


def test_a_target_steers_what_follows_a_prefix() -> None:
    z, manifest = golden("dip_prefix")
    y = {
        "text_embed": text_of(z),
        "target_cond": z["target_cond"],
        "target_joint_names": manifest["target_joint_names"],
        "is_heading": z["is_heading"],
    }
    denoise = FastMDM(from_manifest(manifest))
    x, prefix = batch_first(z["x"]), batch_first(z["prefix"])
    out = planner.after(denoise, prefix)(x, z["t"], y)
    assert gap(out, batch_first(z["out_cond"])) < 2e-5
    guided = planner.after(denoise.guided(3.0), prefix)(x, z["t"], y)
    expected = torch.lerp(z["out_uncond"], z["out_cond"], 3.0)
    assert gap(guided, batch_first(expected)) < 1e-4


@pytest.mark.parametrize(
    ("name", "schedule", "rule"),
    [
        ("cosine1000", Schedule("cosine", 1000), None),
        ("cosine50", Schedule("cosine", 50), None),
        ("cosine1000_50", Schedule("cosine", 1000), [50]),
        ("cosine1000_ddim50", Schedule("cosine", 1000), "ddim50"),
    ],
)
def test_tables_to_the_last_bit(name: str, schedule: Schedule, rule: str | list | None) -> None:
    with np.load(GOLDEN / f"schedule_{name}.npz", allow_pickle=False) as data:
        expected = dict(data)
    process = ReleasedProcess.of(schedule, rule)
    tables = process.tables()
    assert list(process.timestep_map) == expected["timestep_map"].tolist()
    assert np.array_equal(exact.base_betas(schedule), expected["base_betas"])
    assert np.array_equal(process.betas, expected["betas"])
    assert np.array_equal(process.abar, expected["alphas_cumprod"])
    assert np.array_equal(process.posterior_variance, expected["posterior_variance"])
    assert np.array_equal(tables["of_x0"], expected["posterior_mean_coef1"])
    assert np.array_equal(tables["of_xt"], expected["posterior_mean_coef2"])
    log_variance = expected["posterior_log_variance_clipped"]
    np.testing.assert_allclose(process.log_variance, log_variance, rtol=0, atol=1e-13)


def test_linear_schedule_to_the_last_bit() -> None:
    process = ReleasedProcess.of(Schedule("linear", 1000))
    with np.load(GOLDEN / "schedule_linear1000.npz", allow_pickle=False) as data:
        assert np.array_equal(process.betas, data["betas"])
        assert np.array_equal(process.abar, data["alphas_cumprod"])


def test_sample_to_joints() -> None:
    z, _ = golden("postprocess")
    features = batch_first(z["sample"]) * z["std"] + z["mean"]
    joints = torch.from_numpy(hml263.decode_joints(features.numpy()))
    assert gap(joints.permute(0, 2, 3, 1), z["motion"]) < 1e-5

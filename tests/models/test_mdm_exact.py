"""The exact mode is bit-identical to MDM written the plain, released way; the default is close."""

from __future__ import annotations

import pytest
import torch

from backend.diffusion.exact import ReleasedProcess, released_noise, sample_exact
from backend.diffusion.loop import sample
from backend.diffusion.schedule import Schedule
from backend.models.mdm.fast import FastMDM
from backend.models.mdm.network import MDM, MDMConfig
from scripts.plain_mdm import PlainMDM, plain_sample

STEPS, FRAMES = 20, 24


@pytest.fixture(scope="module")
def net() -> MDM:
    torch.manual_seed(0)
    config = MDMConfig(width=64, layers=2, max_positions=64, diffusion_steps=STEPS)
    return MDM(config).eval()


@pytest.fixture
def y() -> dict[str, torch.Tensor]:
    return {"text_embed": torch.randn(1, 2, 512, generator=torch.manual_seed(1))}


@pytest.fixture(params=[1, 2], autouse=True)
def threads(request: pytest.FixtureRequest):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


def plain(net: MDM, y: dict[str, torch.Tensor], shape: tuple[int, ...]) -> torch.Tensor:
    other = PlainMDM(net.state_dict(), layers=net.config.layers, positions=64)
    torch.manual_seed(7)
    return plain_sample(other, shape, dict(y), steps=STEPS, guidance=2.5)


@pytest.mark.parametrize("frames", [FRAMES, 1])
def test_samples_are_bit_identical(net: MDM, y: dict[str, torch.Tensor], frames: int) -> None:
    shape = (2, 263, 1, frames)
    out = sample_exact(
        net,
        shape,
        process=ReleasedProcess.of(Schedule("cosine", STEPS)),
        y=y,
        guidance=2.5,
        generator=torch.Generator().manual_seed(7),
    )
    assert torch.equal(out, plain(net, y, shape))


def test_global_generator_gives_the_same_sample(net: MDM, y: dict[str, torch.Tensor]) -> None:
    shape = (2, 263, 1, FRAMES)
    torch.manual_seed(7)
    process = ReleasedProcess.of(Schedule("cosine", STEPS))
    out = sample_exact(net, shape, process=process, y=y, guidance=2.5)
    assert torch.equal(out, plain(net, y, shape))


@pytest.mark.parametrize("frames", [FRAMES, 1])
def test_default_mode_is_within_rounding(net: MDM, y: dict[str, torch.Tensor], frames: int) -> None:
    shape = (2, 263, 1, frames)
    out = sample(
        FastMDM(net),
        (2, frames, 263),
        schedule=Schedule("cosine", STEPS),
        sampler="ddpm",
        guidance=2.5,
        y=y,
        noise=released_noise(shape, torch.Generator().manual_seed(7)),
    )
    expected = plain(net, y, shape)[:, :, 0].transpose(1, 2)
    assert (out - expected).abs().max() < 2e-5
    assert not torch.equal(out, expected)

"""The conditions of a diffusion transformer beside the sentence: tokens, labels, numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from backend.models.dit import DiT, DiTConfig
from backend.models.dit.network import _held_frames, _over_time

CONFIG = DiTConfig(
    width=32, depth=2, heads=2, stem_width=16, adaln_rank=8, side_words=True,
    context_width=16, labels=5, styles=2, controls=3, patch_frames=4,
)  # fmt: skip


def _condition(rows: int, tokens: int = 6) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    return {
        "lengths": torch.full((rows,), 24),
        "sentence": noise(rows, 384) / 20,
        "tokens": noise(rows, tokens, 384),
        "token_mask": torch.ones(rows, tokens, dtype=torch.bool),
        "sides": torch.zeros(rows, 2),
        "labels": torch.eye(5)[:rows],
        "styles": torch.eye(2)[torch.zeros(rows, dtype=torch.long)],
        "controls": noise(rows, 3),
        "controls_known": torch.ones(rows, 3),
    }


@pytest.fixture(scope="module")
def net() -> DiT:
    torch.manual_seed(0)
    net = DiT(CONFIG)
    with torch.no_grad():
        for value in net.parameters():  # zero-initialised parts are to be heard
            value.copy_(torch.randn(value.shape) * 0.1)
    return net.eval()


def _call(net: DiT, y: dict[str, Tensor]) -> Tensor:
    rows = len(y["lengths"])
    x = torch.randn(1, 24, 205, generator=torch.Generator().manual_seed(2)).expand(rows, -1, -1)
    with torch.no_grad():
        return net(x, torch.full((rows,), 7), y)


@pytest.mark.parametrize("name", ["tokens", "labels", "styles", "controls", "sides"])
def test_every_condition_is_heard(net: DiT, name: str) -> None:
    y = _condition(2)
    changed = {**y, name: y[name].roll(1, -1) + (name in ("sides", "tokens"))}
    assert (_call(net, y) - _call(net, changed)).abs().max() > 1e-4


def test_unknown_numbers_are_not_heard(net: DiT) -> None:
    y = _condition(2)
    y["controls_known"][:, 1] = 0.0
    other = {**y, "controls": y["controls"].clone()}
    other["controls"][:, 1] = 9.0
    assert torch.equal(_call(net, y), _call(net, other))


def test_an_unconditional_row_hears_nothing(net: DiT) -> None:
    y = _condition(3) | {"drop": torch.tensor([True, True, False])}
    out = _call(net, y)
    assert torch.allclose(out[0], out[1], atol=1e-6)
    assert (out[0] - out[2]).abs().max() > 1e-4


def test_padding_of_tokens_is_not_heard(net: DiT) -> None:
    y = _condition(2)
    padded = dict(y)
    padded["tokens"] = torch.cat([y["tokens"], torch.full((2, 4, 384), 5.0)], 1)
    padded["token_mask"] = torch.cat([y["token_mask"], torch.zeros(2, 4, dtype=torch.bool)], 1)
    assert torch.allclose(_call(net, y), _call(net, padded), atol=1e-5)


def test_no_words_at_all_are_fine(net: DiT) -> None:
    y = _condition(2)
    y["token_mask"] = torch.zeros_like(y["token_mask"])
    assert bool(torch.isfinite(_call(net, y)).all())


def test_context_goes_with_adaln_only() -> None:
    with pytest.raises(ValueError, match="adaln"):
        DiTConfig(conditioning="in_context", context_width=16)


def test_held_edges_show_the_end_frames_again_and_never_the_padding() -> None:
    torch.manual_seed(3)
    net = DiT(replace(CONFIG, held_edges=True, detail_width=4)).eval()
    with torch.no_grad():
        for value in net.parameters():
            value.copy_(torch.randn(value.shape) * 0.1)
    y = _condition(2)
    x = torch.randn(2, 24, 205)
    alone = net(x[:1, :21], torch.tensor([7]), {k: v[:1] for k, v in y.items()} | {
        "lengths": torch.tensor([21])})  # fmt: skip
    together = net(x, torch.full((2,), 7), y | {"lengths": torch.tensor([21, 24])})
    assert torch.allclose(alone[0], together[0, :21], atol=1e-5)
    assert bool((together[0, 21:] == 0).all())
    # a constant goes through a convolution with held edges as a constant
    layer = torch.nn.Conv1d(5, 3, 3, padding=1)
    flat = torch.ones(2, 9, 5)
    out = _over_time(layer, flat, _held_frames(torch.tensor([6, 9]), 9))
    assert torch.allclose(out, out[:, :1].expand_as(out), atol=1e-6)

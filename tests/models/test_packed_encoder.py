"""The inference forms of encoder layers against the layers themselves."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from backend.models.mogents.layers import Encoder
from backend.models.mogents.layout import Layout, Pack
from backend.models.packed_encoder import PackedEncoderLayer, attend, scaled_projection

WIDTH, HEADS, INNER = 48, 3, 80
LENGTHS = [7, 4, 5]


def uneven(module: nn.Module) -> None:
    """Weights that make every part matter: no zero bias, no norm that changes nothing."""
    generator = torch.Generator().manual_seed(1)
    for weight in module.parameters():
        offset = 1.0 if weight.dim() == 1 else 0.0
        weight.data = offset + 0.3 * torch.randn(weight.shape, generator=generator)


@pytest.fixture
def layer() -> nn.TransformerEncoderLayer:
    made = nn.TransformerEncoderLayer(WIDTH, HEADS, INNER, activation="gelu", batch_first=True)
    uneven(made)
    return made.eval().requires_grad_(False)


@pytest.fixture
def encoder() -> Encoder:
    made = Encoder(2, WIDTH, HEADS, INNER)
    uneven(made)
    return made.eval().requires_grad_(False)


@pytest.fixture
def x() -> Tensor:
    return torch.randn(3, 7, WIDTH, generator=torch.Generator().manual_seed(2))


def own(layer: nn.TransformerEncoderLayer, x: Tensor, visible: Tensor | None) -> Tensor:
    """What PyTorch's layer gives, its fused inference path left out."""
    hidden = None if visible is None else ~visible[:, 0, 0]
    with torch.enable_grad():
        out: Tensor = layer(x.requires_grad_(), src_key_padding_mask=hidden)
    return out.detach()


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    ("dtype", "gap"), [(torch.float32, 1e-5), (torch.bfloat16, 0.1), (torch.float16, 0.02)]
)
def test_one_layer(
    layer: nn.TransformerEncoderLayer, x: Tensor, masked: bool, dtype: torch.dtype, gap: float
) -> None:
    pack = Layout(LENGTHS).tracks(0, 1) if masked else None
    visible = None if pack is None else pack.visible
    expected = own(layer, x.clone(), visible)
    out = PackedEncoderLayer(layer, HEADS, dtype=dtype, rows=21)(x, visible)
    assert out.dtype == torch.float32
    real = slice(None) if visible is None else visible[:, 0, 0]
    # on some processors the packed product of float32 has the very bits of the plain one
    lowest = 0.0 if dtype is torch.float32 else 1e-7
    assert lowest <= (out - expected)[real].abs().max() < gap


def test_a_known_projection_is_taken(layer: nn.TransformerEncoderLayer, x: Tensor) -> None:
    packed = PackedEncoderLayer(layer, HEADS, dtype=torch.float32, rows=21)
    assert torch.equal(packed(x, None, packed.qkv(x)), packed(x, None))
    assert not torch.allclose(packed(x, None, packed.qkv(x + 1)), packed(x, None), atol=1e-3)


def test_only_queries_are_scaled(layer: nn.TransformerEncoderLayer) -> None:
    weight, bias = scaled_projection(layer.self_attn, HEADS)
    original = layer.self_attn.in_proj_weight.double()
    assert torch.allclose(weight[:WIDTH], original[:WIDTH] / 4)
    assert torch.equal(weight[WIDTH:], original[WIDTH:])
    assert torch.allclose(bias[:WIDTH] * 4, layer.self_attn.in_proj_bias[:WIDTH].double())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_hidden_keys_have_no_effect(dtype: torch.dtype) -> None:
    qkv = torch.randn(2, 6, 3 * WIDTH, generator=torch.Generator().manual_seed(3)).to(dtype)
    visible = torch.ones(2, 1, 1, 6, dtype=torch.bool)
    visible[1, ..., 4:] = False
    other = qkv.clone()
    other[1, 4:] = 9.0
    first, second = (attend(each, HEADS, visible) for each in (qkv, other))
    assert torch.equal(first[0], second[0]) and torch.equal(first[1, :4], second[1, :4])
    assert not torch.equal(attend(other, HEADS, None)[1, :4], first[1, :4])


# --------------------------------------------------------------------- the encoder of MoGenTS


def unpacked(encoder: Encoder, x: Tensor, pack: Pack | None) -> Tensor:
    """The encoder on its plain layers, which it uses where a gradient is wanted."""
    with torch.enable_grad():
        out: Tensor = encoder(x.clone().requires_grad_(), pack)
    assert out.requires_grad
    return out.detach()


@pytest.mark.parametrize("lengths", [[7, 7, 7], LENGTHS])
@pytest.mark.parametrize("threads", [1, 2])
def test_an_encoder(encoder: Encoder, x: Tensor, lengths: list[int], threads: int) -> None:
    pack = Layout(lengths).tracks(0, 1)
    expected = unpacked(encoder, x, pack)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        out = encoder(x, pack)
    finally:
        torch.set_num_threads(before)
    assert encoder._packed is not None
    assert (out - expected).abs().max() < 2e-5
    if pack is not None:
        assert not out[1, 4:].any() and not out[2, 5:].any()


@pytest.mark.parametrize("lengths", [[7, 7, 7], LENGTHS])
def test_an_encoder_in_half_precision(encoder: Encoder, x: Tensor, lengths: list[int]) -> None:
    pack = Layout(lengths).tracks(0, 1)
    expected = encoder(x, pack)
    with torch.autocast("cpu", torch.bfloat16):
        half = encoder(x, pack)
    assert half.dtype == torch.float32
    assert 1e-4 < (half - expected).abs().max() < 0.15
    assert torch.equal(encoder(x, pack), expected)


def test_changed_weights_show(encoder: Encoder, x: Tensor) -> None:
    first = encoder(x)
    encoder.layers[1].linear2.weight.mul_(1.5)
    second = encoder(x)
    assert not torch.allclose(first, second, atol=1e-3)
    assert (second - unpacked(encoder, x, None)).abs().max() < 2e-5
    state = {name: value + 0.1 for name, value in encoder.state_dict().items()}
    encoder.load_state_dict(state, assign=True)
    encoder.requires_grad_(False)
    third = encoder(x)
    assert not torch.allclose(second, third, atol=1e-3)
    assert (third - unpacked(encoder, x, None)).abs().max() < 2e-5


def test_weights_made_in_inference_mode(x: Tensor) -> None:
    with torch.inference_mode():
        made = Encoder(1, WIDTH, HEADS, INNER)
        out = made(x)
    normal = Encoder(1, WIDTH, HEADS, INNER)
    normal.load_state_dict(made.state_dict())
    assert (out - unpacked(normal, x, None)).abs().max() < 2e-5


def test_gradients_reach_weights_and_input(encoder: Encoder, x: Tensor) -> None:
    encoder(x)
    encoder.requires_grad_(True)
    encoder(x).square().sum().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in encoder.parameters())


def test_a_used_encoder_can_be_copied(encoder: Encoder, x: Tensor) -> None:
    expected = encoder(x)
    twin = copy.deepcopy(encoder)
    assert torch.equal(twin(x), expected)
    twin.layers[0].linear1.weight.zero_()
    assert torch.equal(encoder(x), expected) and not torch.equal(twin(x), expected)

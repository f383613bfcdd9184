"""CLIP's own vocabulary, which ships, and the float16 of the released code."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from backend.text import clip_tokens
from backend.text.clip import ClipTextEncoder, tower_from
from backend.text.clip_tokens import ClipTokens
from backend.text.clip_tower import ClipTextTower, TowerSize


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    """A tower with CLIP's vocabulary, two layers of 64 channels."""
    size = TowerSize(clip_tokens.BUNDLED_SIZE, 77, 64, 2, 256, 32, 1)
    generator = torch.Generator().manual_seed(3)
    tower = ClipTextTower(size)
    for value in tower.parameters():
        scale = value.shape[-1] ** -0.5 if value.dim() > 1 else 0.1
        value.data = scale * torch.randn(value.shape, generator=generator)
    return tower.state_dict()


def test_the_bundled_vocabulary_is_clips() -> None:
    tokens = ClipTokens.load(clip_tokens.BUNDLED)
    assert tokens.size == clip_tokens.BUNDLED_SIZE
    assert (tokens.start, tokens.end) == (49406, 49407)
    # what OpenAI's tokenizer gives
    assert tokens.words("a photo of a cat") == [320, 1125, 539, 320, 2368]
    assert tokens.words("A person WALKS forward, then sits-down!") == [
        *(320, 2533, 8192, 2342, 267, 1594, 12726, 268, 1136, 256),
    ]


def test_weights_alone_read_captions_offline(
    weights: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a model's card lists is enough: the weights, and no vocabulary anywhere."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    save_file(weights, tmp_path / "clip.safetensors")
    encoder = ClipTextEncoder.load(tmp_path, local_files_only=True)
    captions = ["a person walks", "a person jumps"]
    made = encoder.encode(captions)
    assert made.shape == (2, 32) and (made[0] - made[1]).abs().max() > 1e-3
    # and a copy of the model holds all that it needs
    names = encoder.save(tmp_path / "copy")
    assert "bpe_simple_vocab_16e6.txt.gz" in names
    assert torch.equal(ClipTextEncoder.load(tmp_path / "copy").encode(captions), made)


def released(weights: dict[str, Tensor], ids: Tensor) -> Tensor:
    """CLIP's text transformer of PyTorch's own parts, in float16 as OpenAI loads it."""
    half = {k: v.half() for k, v in weights.items()}

    def norm(name: str, x: Tensor) -> Tensor:
        scale, shift = weights[f"{name}.weight"], weights[f"{name}.bias"]
        return nn.functional.layer_norm(x.float(), scale.shape, scale, shift).half()

    x = weights["token_embedding.weight"][ids].half() + half["positional_embedding"]
    x = x.permute(1, 0, 2)
    mask = torch.full((77, 77), float("-inf")).triu(1).half()
    for layer in range(2):
        start = f"transformer.resblocks.{layer}"
        attention = nn.MultiheadAttention(64, 1).half().eval()
        attention.load_state_dict(
            {k.removeprefix(f"{start}.attn."): v for k, v in half.items() if f"{start}.attn." in k}
        )
        inner = norm(f"{start}.ln_1", x)
        x = x + attention(inner, inner, inner, need_weights=False, attn_mask=mask)[0]
        inner = norm(f"{start}.ln_2", x)
        inner = nn.functional.linear(
            inner, half[f"{start}.mlp.c_fc.weight"], half[f"{start}.mlp.c_fc.bias"]
        )
        inner = inner * torch.sigmoid(1.702 * inner)
        x = x + nn.functional.linear(
            inner, half[f"{start}.mlp.c_proj.weight"], half[f"{start}.mlp.c_proj.bias"]
        )
    x = norm("ln_final", x.permute(1, 0, 2))
    ends = x[torch.arange(len(ids)), ids.argmax(-1)]
    return (ends @ half["text_projection"]).float()


def test_float16_as_released(weights: dict[str, Tensor]) -> None:
    ids = ClipTokens.load(clip_tokens.BUNDLED).encode(
        ["a person walks forward", "", "someone jumps twice and then sits down on a chair"], 22, 77
    )[0]
    single = ClipTextEncoder(tower_from(weights), None)
    exact = single.features(ids)
    with torch.no_grad():
        expected = released(weights, ids)
    made = single.half().features(ids)
    assert made.dtype == torch.float32
    assert torch.equal(made, expected), "every bit"
    assert 0.0 < (exact - expected).abs().max() < 0.02, "float32 differs by float16's rounding"

"""MotionGPT's networks against golden data (OpenMotionLab/MotionGPT, official work tree)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from backend.models.motiongpt.network import EMBEDDING, EMBEDDING_COPIES, MotionGPT
from backend.models.motiongpt.t5 import T5Config
from backend.models.motiongpt.vqvae import VQVAEConfig
from backend.pipelines.motiongpt import folder
from backend.pipelines.motiongpt.folder import MotionGPTFiles

GOLDEN = Path(__file__).parent / "golden" / "motiongpt"


@pytest.fixture(scope="module")
def files() -> MotionGPTFiles:
    return folder.read(GOLDEN / "artifact")


@pytest.fixture(scope="module")
def net(files: MotionGPTFiles) -> MotionGPT:
    return files.net


def arrays(name: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / name, allow_pickle=False) as data:
        return dict(data)


def tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values)


def close(actual: torch.Tensor, expected: np.ndarray, atol: float) -> None:
    np.testing.assert_allclose(actual.numpy(), expected, rtol=0, atol=atol)


@pytest.mark.parametrize("case", ["enc0", "enc1", "enc2"])
@torch.inference_mode()
def test_tokens_of_a_motion(net: MotionGPT, case: str) -> None:
    """enc1 has a number of frames that is no multiple of four."""
    golden = arrays("vae_golden.npz")
    motion = tensor(golden[f"{case}_motion"])
    close(net.vae.latents(motion).transpose(1, 2), golden[f"{case}_latent"], 1e-5)
    assert np.array_equal(net.vae.encode(motion).numpy(), golden[f"{case}_tokens"])


@torch.inference_mode()
def test_tokens_of_an_unnormalised_motion(files: MotionGPTFiles) -> None:
    golden = arrays("vae_golden.npz")
    motion = files.stats.normalise(tensor(golden["enc0_motion_raw"]))
    assert np.array_equal(files.net.vae.encode(motion).numpy(), golden["enc0_tokens"])


@pytest.mark.parametrize("case", [0, 1, 2])
@torch.inference_mode()
def test_reconstruction_commitment_and_perplexity(net: MotionGPT, case: int) -> None:
    golden = arrays("vae_golden.npz")
    motion = tensor(golden[f"enc{case}_motion"])
    latents, ids = net.vae.latents(motion), net.vae.encode(motion)
    codes = net.vae.quantizer.lookup(ids)
    close(net.vae.decode(ids), golden[f"fwd{case}_recon"], 1e-4)
    close(F.mse_loss(latents, codes), golden[f"fwd{case}_commit"], 1e-5)
    share = torch.bincount(ids.flatten(), minlength=512) / ids.numel()
    perplexity = torch.exp(-(share * torch.log(share + 1e-7)).sum())
    close(perplexity, golden[f"fwd{case}_perplexity"], 1e-3)


@torch.inference_mode()
def test_motion_of_tokens(files: MotionGPTFiles) -> None:
    golden = arrays("vae_golden.npz")
    motion = files.net.vae.decode(tensor(golden["dec_tokens"])[None])
    close(motion, golden["dec_motion"], 1e-4)
    close(files.stats.denormalise(motion), golden["dec_motion_denorm"], 1e-4)


@torch.inference_mode()
def test_rows_of_tokens_are_joined_only_on_request(net: MotionGPT) -> None:
    """The published decoder makes one clip of a batch; ours keeps its rows apart."""
    golden = arrays("vae_golden.npz")
    ids = tensor(golden["dec2_tokens"])
    close(net.vae.decode(ids.reshape(1, -1)), golden["dec2_motion"], 1e-4)
    assert net.vae.decode(ids).shape == (2, 20, 263)


@torch.inference_mode()
def test_hidden_states_of_a_prompt(net: MotionGPT) -> None:
    golden = arrays("lm_golden.npz")
    mask = tensor(golden["attention_mask"]).bool()
    hidden = net.language_model.encode(tensor(golden["input_ids"]), mask)
    keep = mask.numpy()
    np.testing.assert_allclose(
        hidden.numpy()[keep], golden["encoder_hidden"][keep], rtol=0, atol=5e-5
    )


@torch.inference_mode()
def test_logits_and_loss(net: MotionGPT) -> None:
    golden = arrays("lm_golden.npz")
    model = net.language_model
    mask = tensor(golden["attention_mask"]).bool()
    hidden = model.encode(tensor(golden["input_ids"]), mask)
    answer, answer_mask = tensor(golden["decoder_input_ids"]), golden["decoder_attention_mask"]
    plain = model.decode(answer, hidden, mask)
    close(plain, golden["logits_no_decoder_mask"], 1e-3)
    masked = model.decode(answer, hidden, mask, tensor(answer_mask))
    close(masked, golden["logits_with_decoder_mask"], 1e-3)
    loss = F.cross_entropy(masked.flatten(0, 1), tensor(golden["labels"]).flatten())
    close(loss, golden["loss"], 1e-4)


@torch.inference_mode()
def test_cached_steps_give_the_logits_of_the_whole(net: MotionGPT) -> None:
    golden = arrays("lm_golden.npz")
    model = net.language_model
    mask = tensor(golden["attention_mask"]).bool()
    hidden = model.encode(tensor(golden["input_ids"]), mask)
    answer = tensor(golden["decoder_input_ids"])
    cache = model.start(hidden, mask, answer.shape[1])
    stepped = torch.stack([model.step(column, cache) for column in answer.T], dim=1)
    close(stepped, golden["logits_no_decoder_mask"], 1e-3)


def test_a_tied_head_would_be_noticed(net: MotionGPT) -> None:
    model = net.language_model
    assert (model.lm_head.weight - model.shared.weight).abs().max() > 1e-2


def test_names_and_shapes_of_the_published_size() -> None:
    golden = json.loads((GOLDEN / "real_state_shapes.json").read_text(encoding="utf-8"))
    expected = {name: tuple(shape) for name, shape in golden["shapes"].items()}
    with torch.device("meta"):
        state = MotionGPT(VQVAEConfig(), T5Config(32615)).state_dict()
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    shapes |= dict.fromkeys(EMBEDDING_COPIES, shapes[EMBEDDING])
    assert shapes == expected

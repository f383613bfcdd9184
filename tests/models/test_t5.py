"""The language model against the library's T5, and its two forms of decoding against each other."""

from __future__ import annotations

import pytest
import torch

from backend.models.motiongpt.t5 import T5, T5Config, relative_buckets
from backend.pipelines.motiongpt.decoding import draw, generate_tokens, top_k_probabilities

CONFIG = T5Config(60, d_model=16, d_kv=4, d_ff=24, num_heads=2, num_layers=2, num_decoder_layers=3)


@pytest.fixture(scope="module")
def model() -> T5:
    torch.manual_seed(0)
    made = T5(CONFIG).eval().requires_grad_(False)
    for parameter in made.parameters():
        parameter.normal_(std=0.5)
    return made


@pytest.fixture
def prompts() -> tuple[torch.Tensor, torch.Tensor]:
    """Two prompts of different length, padded."""
    ids = torch.tensor([[5, 9, 33, 7, 1], [8, 50, 1, 0, 0]])
    return ids, ids != 0


def test_equals_the_library(model: T5, prompts: tuple[torch.Tensor, torch.Tensor]) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.T5Config(
        vocab_size=60,
        d_model=16,
        d_kv=4,
        d_ff=24,
        num_heads=2,
        num_layers=2,
        num_decoder_layers=3,
        feed_forward_proj="gated-gelu",
        decoder_start_token_id=0,
    )
    config.tie_word_embeddings = False
    theirs = transformers.T5ForConditionalGeneration(config).eval()
    state = dict(model.state_dict())
    for name in ("encoder", "decoder"):
        state[f"{name}.embed_tokens.weight"] = state["shared.weight"]
    theirs.load_state_dict(state)
    # some versions scale the decoder's output although the head is not tied
    theirs.config.scale_decoder_outputs = False
    ids, mask = prompts
    answer = torch.tensor([[0, 4, 9, 12], [0, 7, 7, 3]])
    with torch.inference_mode():
        expected = theirs(input_ids=ids, attention_mask=mask, decoder_input_ids=answer).logits
        ours = model.decode(answer, model.encode(ids, mask), mask)
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)


def test_buckets() -> None:
    """Near distances have a bucket each, far ones share, and the last one takes all beyond."""
    two_sided = relative_buckets(
        torch.tensor([0]), 400, bidirectional=True, buckets=32, max_distance=128
    )[0]
    assert two_sided[:9].tolist() == [0, 17, 18, 19, 20, 21, 22, 23, 24]
    assert two_sided[128:].eq(31).all()
    past = relative_buckets(
        torch.tensor([399]), 400, bidirectional=False, buckets=32, max_distance=128
    )[0].flip(0)
    assert past[:17].tolist() == list(range(17))
    assert past.diff().ge(0).all() and past[128:].eq(31).all()


@pytest.mark.parametrize("greedy", [True, False])
def test_the_cache_changes_nothing(
    model: T5, prompts: tuple[torch.Tensor, torch.Tensor], greedy: bool
) -> None:
    written = [
        generate_tokens(
            model,
            *prompts,
            max_length=20,
            generators=None if greedy else [torch.Generator().manual_seed(i) for i in range(2)],
            cached=cached,
        )
        for cached in (True, False)
    ]
    assert torch.equal(*written)


def test_padding_of_a_prompt_changes_nothing(
    model: T5, prompts: tuple[torch.Tensor, torch.Tensor]
) -> None:
    ids, mask = prompts
    both = generate_tokens(model, ids, mask, max_length=16)
    alone = generate_tokens(model, ids[1:, :3], mask[1:, :3], max_length=16)
    width = alone.shape[1]
    assert torch.equal(both[1:, :width], alone) and not both[1, width:].any()


@pytest.mark.parametrize("cached", [True, False])
def test_rows_that_leave_the_batch_change_nothing(model: T5, cached: bool) -> None:
    ids = torch.arange(2, 42).reshape(8, 5)
    mask = torch.ones_like(ids, dtype=torch.bool)
    options = {"max_length": 60, "top_k": 8, "cached": cached}
    both = generate_tokens(
        model, ids, mask, generators=[torch.Generator().manual_seed(i) for i in range(8)], **options
    )
    ends = set()
    for row in range(8):
        own = [torch.Generator().manual_seed(row)]
        alone = generate_tokens(
            model, ids[row : row + 1], mask[row : row + 1], generators=own, **options
        )
        width = alone.shape[1]
        ends.add(width)
        assert torch.equal(both[row, :width], alone[0]) and not both[row, width:].any()
    assert len(ends) > 3, "they must end at different times"


def test_draws_are_those_of_the_library() -> None:
    probabilities = torch.softmax(torch.randn(3, 40, generator=torch.manual_seed(1)), -1)
    for seed in range(5):
        expected = torch.multinomial(probabilities, 1, generator=torch.manual_seed(seed))[:, 0]
        assert torch.equal(draw(probabilities, [torch.manual_seed(seed)]), expected)


def test_only_the_best_can_be_drawn() -> None:
    logits = torch.tensor([[1.0, 3.0, 2.0, 0.0, 2.0]])
    kept = top_k_probabilities(logits, 2)
    assert (kept > 0).tolist() == [[False, True, True, False, True]], "ties with the last stay"
    assert float(kept.sum()) == pytest.approx(1.0)


def test_steps_are_reported(model: T5, prompts: tuple[torch.Tensor, torch.Tensor]) -> None:
    seen: list[tuple[int, int]] = []
    written = generate_tokens(
        model, *prompts, max_length=6, on_step=lambda done, total: seen.append((done, total))
    )
    assert seen[0] == (0, 5) and seen[-1] == (5, 5)
    assert [done for done, _ in seen[:-1]] == list(range(written.shape[1] - 1))


@pytest.mark.parametrize("wrong", [{"d_ff": 0}, {"num_layers": 0}])
def test_sizes_are_checked(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        T5Config(60, **wrong)

from __future__ import annotations

from typing import Any

import pytest
import torch

from backend.diffusion.schedule import Schedule
from backend.errors import ArtifactError
from backend.models.dit import DiT, DiTConfig
from backend.pipelines.dit.config import config_for
from backend.text.actions import ACTION_WORDS

FLAGS = len(ACTION_WORDS)
SMALL: dict[str, Any] = {"width": 32, "depth": 1, "heads": 2, "stem_width": 16, "text_dim": 8}


def _network(**options: Any) -> DiT:
    torch.manual_seed(0)
    net = DiT(DiTConfig(**SMALL, **options)).eval()
    with torch.no_grad():
        for parameter in net.parameters():  # its last layer begins at zero
            parameter.add_(0.05 * torch.randn_like(parameter))
    return net


def _run(net: DiT, actions: torch.Tensor | None = None, **more: torch.Tensor) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, 12, 205, generator=generator)
    sentence = torch.nn.functional.normalize(torch.randn(2, 8, generator=generator), dim=-1)
    y = {"lengths": torch.tensor([12, 9]), "sentence": sentence, **more}
    if actions is not None:
        y["actions"] = actions
    with torch.no_grad():
        return net(x, torch.tensor([10, 500]), y)


def test_every_action_word_changes_the_output() -> None:
    net = _network(action_words=FLAGS)
    without = _run(net, torch.zeros(2, FLAGS))
    outputs = [_run(net, torch.eye(FLAGS)[word].expand(2, -1)) for word in range(FLAGS)]
    for number, out in enumerate(outputs):
        assert (out - without).abs().max() > 1e-4, ACTION_WORDS[number]
        assert number == 0 or (out - outputs[number - 1]).abs().max() > 1e-4


def test_flags_of_one_row_leave_the_others_alone() -> None:
    net = _network(action_words=FLAGS)
    flags = torch.zeros(2, FLAGS)
    without = _run(net, flags)
    flags[1, 3] = 1.0
    out = _run(net, flags)
    assert torch.equal(out[0], without[0])
    assert (out[1] - without[1]).abs().max() > 1e-4


def test_an_unconditional_row_hears_no_flags() -> None:
    net = _network(action_words=FLAGS)
    drop = torch.tensor([True, True])
    out = [_run(net, torch.full((2, FLAGS), value), drop=drop) for value in (0.0, 1.0)]
    assert torch.equal(*out)


@pytest.mark.parametrize(("side_words", "flags"), [(False, 0), (True, 2)])
def test_no_action_words_build_the_network_as_it_was(side_words: bool, flags: int) -> None:
    net = _network(side_words=side_words)
    assert net.config.action_words == 0
    assert net.text_embed.in_features == SMALL["text_dim"] + flags
    wider = _network(side_words=side_words, action_words=FLAGS)
    assert wider.text_embed.in_features == SMALL["text_dim"] + flags + FLAGS
    shapes = [{k: v.shape for k, v in n.state_dict().items()} for n in (net, wider)]
    changed = {name for name in shapes[0] if shapes[0][name] != shapes[1][name]}
    assert shapes[0].keys() == shapes[1].keys() and changed == {"text_embed.weight"}


def test_a_network_without_action_words_ignores_the_flags() -> None:
    net = _network()
    assert torch.equal(_run(net, torch.ones(2, FLAGS)), _run(net))


def test_the_detail_path_begins_silent_and_joins_the_output() -> None:
    torch.manual_seed(0)
    net = DiT(DiTConfig(**SMALL, detail_width=4)).eval()
    assert _run(net).abs().max() == 0.0
    with torch.no_grad():
        net.detail_out.weight.fill_(0.1)
    assert _run(net).abs().max() > 0.0


def test_the_gate_of_the_detail_path_depends_on_step_and_text() -> None:
    net = _network(detail_width=4)
    with torch.no_grad():
        net.detail_gate.weight.mul_(50.0)
        net.head2.weight.zero_()
        net.unembed.weight.zero_()
    x = torch.randn(1, 12, 205, generator=torch.Generator().manual_seed(2)).expand(3, -1, -1)
    sentence = torch.nn.functional.normalize(torch.eye(8)[[0, 0, 5]], dim=-1)
    y = {"lengths": torch.full((3,), 12), "sentence": sentence}
    with torch.no_grad():
        a, later, other = net(x, torch.tensor([10, 900, 10]), y)
    assert (a - later).abs().max() > 1e-3
    assert (a - other).abs().max() > 1e-3


def test_padding_does_not_reach_the_detail_path() -> None:
    net = _network(detail_width=4)
    x = torch.randn(1, 12, 205, generator=torch.Generator().manual_seed(3))
    sentence = torch.nn.functional.normalize(torch.ones(1, 8), dim=-1)
    y = {"lengths": torch.tensor([9]), "sentence": sentence}
    with torch.no_grad():
        padded = net(x, torch.tensor([100]), y)
        alone = net(x[:, :9], torch.tensor([100]), y)
    assert padded[:, 9:].abs().max() == 0.0
    assert torch.allclose(padded[:, :9], alone, atol=1e-5)


def test_a_model_of_other_action_words_is_refused() -> None:
    network = DiTConfig(**SMALL, action_words=FLAGS - 1)
    with pytest.raises(ArtifactError, match="action words"):
        config_for(network, Schedule("cosine", 50), steps=10)

from __future__ import annotations

import pytest
import torch

from backend.diffusion.guidance import guided


class Recorder:
    """A network whose output tells which rows were unconditional."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, x, t, y):
        self.batches.append(len(x))
        value = y["value"].clone()
        if "drop" in y:
            value[y["drop"]] = 1.0
        assert len(y["names"]) == len(x) == len(t)
        assert y["scale"] == 3
        return torch.zeros_like(x) + value[:, None]


@pytest.mark.parametrize(
    ("guidance", "expected", "rows"),
    [(1.0, [5.0, 7.0], 2), (0.0, [1.0, 1.0], 2), (2.5, [11.0, 16.0], 4), (-1.0, [-3.0, -5.0], 4)],
)
def test_one_call_and_the_right_mix(guidance: float, expected: list[float], rows: int) -> None:
    net = Recorder()
    y = {"value": torch.tensor([5.0, 7.0]), "names": ["a", "b"], "scale": 3}
    out = guided(net, guidance)(torch.zeros(2, 4), torch.zeros(2).long(), y)
    assert net.batches == [rows]
    torch.testing.assert_close(out[:, 0], torch.tensor(expected))
    assert "drop" not in y


def test_a_network_may_bring_its_own_guidance() -> None:
    class Net:
        def __call__(self, x, t, y):
            raise AssertionError("not called")

        def guided(self, guidance):
            return lambda x, t, y: x + guidance

    x = torch.zeros(2, 3)
    assert torch.equal(guided(Net(), 2.5)(x, torch.zeros(2), {}), x + 2.5)

"""A cancel ends a job within a step, too: before the next layer of a network."""

from __future__ import annotations

import threading

import pytest

torch = pytest.importorskip("torch")

from backend.errors import Cancelled  # noqa: E402
from backend.evaluation import take_scores  # noqa: E402
from backend.service.jobs import JobQueue  # noqa: E402
from backend.store import watch  # noqa: E402
from backend.wire.messages import Failure, Request, Result  # noqa: E402


class Layer(torch.nn.Module):
    """Doubles; ``then`` is called with it."""

    def __init__(self, then) -> None:
        super().__init__()
        self.then = then

    def forward(self, x):
        self.then()
        return 2.0 * x


class Engine:
    """Runs a network of two layers, once a job; tells nothing."""

    def __init__(self, net) -> None:
        self.net = net

    def run(self, request, on_progress=None):
        watch.check_in_networks()
        assert self.net(torch.ones(1)).item() == 4.0
        return Result(request.id)


def test_a_cancel_ends_a_step_between_two_layers_and_the_next_job_has_the_same_network() -> None:
    inside, goes_on, came = threading.Event(), threading.Event(), threading.Event()
    ran, told = [], []

    def first() -> None:
        inside.set()
        goes_on.wait(60.0)

    def emit(message) -> None:
        told.append(message)
        came.set()

    net = torch.nn.Sequential(Layer(first), Layer(lambda: ran.append("second")))
    queue = JobQueue(lambda: Engine(net), emit)
    stopped, next_one = Request("walk"), Request("walk")
    queue.submit(stopped)
    assert inside.wait(60.0)
    queue.cancel(stopped.id)
    goes_on.set()
    assert came.wait(60.0)
    assert isinstance(told[0], Failure) and told[0].code == "cancelled" and not ran
    came.clear()
    queue.submit(next_one)
    assert came.wait(60.0)
    assert isinstance(told[1], Result) and ran == ["second"]
    assert queue.close(60.0)


def test_nobody_wants_an_end_of_work_that_nobody_watches() -> None:
    watch.check_in_networks()
    assert torch.nn.Linear(2, 1)(torch.ones(1, 2)).shape == (1, 1)


def test_a_cancel_while_the_evaluator_loads_does_not_cost_the_scores_for_good(monkeypatch) -> None:
    from backend.evaluation.evaluators import starter

    def stopped(*arguments, **options):
        raise Cancelled("Cancelled.")

    take_scores._evaluator.cache_clear()
    monkeypatch.setattr(starter.StarterEvaluator, "from_pretrained", stopped)
    with pytest.raises(Cancelled):
        take_scores._evaluator()
    assert take_scores._evaluator.cache_info().currsize == 0

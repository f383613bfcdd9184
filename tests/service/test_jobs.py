"""The queue lives on, whatever ends a job, and every job is answered."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

import pytest

from backend.service.jobs import JobQueue
from backend.wire.codec import Message
from backend.wire.messages import Failure, Progress, Request, Result

PATIENCE = 60.0


class Panic(BaseException):
    """What the Rust libraries raise: no Exception."""


class Engine:
    """Ends a job as its prompt says."""

    endings: dict[str, BaseException]

    def __init__(self) -> None:
        self.endings = {
            "panic": Panic("Cannot parse precompiled_charsmap"),
            "exit": SystemExit(7),
            "memory": MemoryError(),
            "recursion": RecursionError("maximum recursion depth exceeded"),
            "interrupt": KeyboardInterrupt(),
            "generator": GeneratorExit(),
        }

    def run(
        self, request: Request, on_progress: Callable[[Progress], None] | None = None
    ) -> Result:
        if request.prompt in self.endings:
            raise self.endings[request.prompt]
        return Result(request.id, (), (), 0.0)


@pytest.fixture
def answers() -> queue.SimpleQueue[Message]:
    return queue.SimpleQueue()


@pytest.fixture
def jobs(answers: queue.SimpleQueue[Message]) -> Iterator[JobQueue]:
    found = JobQueue(Engine, answers.put)
    yield found
    assert found.close(PATIENCE)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("panic", "Panic: Cannot parse precompiled_charsmap"),
        ("exit", "SystemExit: 7"),
        ("memory", "MemoryError"),
        ("recursion", "RecursionError: maximum recursion depth"),
        ("interrupt", "KeyboardInterrupt"),
        ("generator", "GeneratorExit"),
    ],
)
def test_whatever_ends_a_job_is_its_answer(
    jobs: JobQueue, answers: queue.SimpleQueue[Message], prompt: str, said: str
) -> None:
    bad, good = Request(prompt), Request("walk")
    jobs.submit(bad)
    jobs.submit(good)
    failure = answers.get(timeout=PATIENCE)
    assert isinstance(failure, Failure) and failure.id == bad.id
    assert said in failure.message and failure.hint
    assert answers.get(timeout=PATIENCE) == Result(good.id, (), (), 0.0)


def test_a_failed_start_of_the_engine_is_an_answer_and_tried_again(
    answers: queue.SimpleQueue[Message],
) -> None:
    made: list[int] = []

    def make() -> Engine:
        made.append(1)
        if len(made) == 1:
            raise Panic("no driver")
        return Engine()

    jobs = JobQueue(make, answers.put)
    first, second = Request("walk"), Request("walk")
    jobs.submit(first)
    jobs.submit(second)
    failure = answers.get(timeout=PATIENCE)
    assert isinstance(failure, Failure) and "no driver" in failure.message
    assert answers.get(timeout=PATIENCE) == Result(second.id, (), (), 0.0)
    assert jobs.close(PATIENCE)


@pytest.mark.parametrize("error", [RecursionError("too deep"), MemoryError(), Panic("x")])
def test_a_result_that_cannot_be_sent_is_told(
    answers: queue.SimpleQueue[Message], error: BaseException
) -> None:
    def emit(message: Message) -> None:
        if isinstance(message, Result) and message.id == bad.id:
            raise error
        answers.put(message)

    bad, good = Request("walk"), Request("walk")
    jobs = JobQueue(Engine, emit)
    jobs.submit(bad)
    jobs.submit(good)
    failure = answers.get(timeout=PATIENCE)
    assert isinstance(failure, Failure) and failure.id == bad.id
    assert type(error).__name__ in failure.message and failure.hint
    assert answers.get(timeout=PATIENCE) == Result(good.id, (), (), 0.0)
    assert jobs.close(PATIENCE)


def test_a_job_that_notices_no_cancel_is_answered_without_it(
    answers: queue.SimpleQueue[Message],
) -> None:
    """As a library's import or a native step; the next job waits for it, and its end is dropped."""
    begun, go = threading.Event(), threading.Event()

    class Deaf(Engine):
        def run(
            self, request: Request, on_progress: Callable[[Progress], None] | None = None
        ) -> Result:
            begun.set()
            assert request.prompt != "deaf" or go.wait(PATIENCE)
            return super().run(request, on_progress)

    jobs: JobQueue[Request] = JobQueue(Deaf, answers.put, abandon_seconds=0.05)
    first, second = Request("deaf"), Request("walk")
    jobs.submit(first)
    jobs.submit(second)
    assert begun.wait(PATIENCE)
    jobs.cancel(first.id)
    jobs.cancel(first.id)
    failure = answers.get(timeout=PATIENCE)
    assert isinstance(failure, Failure) and (failure.id, failure.code) == (first.id, "cancelled")
    assert answers.empty()
    go.set()
    assert answers.get(timeout=PATIENCE) == Result(second.id, (), (), 0.0)
    assert answers.empty() and jobs.close(PATIENCE)

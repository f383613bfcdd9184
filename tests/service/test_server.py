"""The stdio server seen from its pipes, without the client: what it does with bad input."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend import __version__
from backend.service.outbox import MAX_UNREAD, Outbox
from backend.wire import codec, framing
from backend.wire.control import Cancel, Hello, Log, Ping, Pong, Ready, Shutdown
from backend.wire.messages import Failure, Progress, Request, Result

HERE = Path(__file__).resolve().parent
PATIENCE = 60.0

Child = subprocess.Popen[bytes]


@pytest.fixture
def child(server_command: list[str], server_env: dict[str, str]) -> Iterator[Child]:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        server_command, stdin=pipe, stdout=pipe, stderr=pipe, env=server_env
    ) as found:
        yield found
        found.kill()


def send(child: Child, *messages: codec.Message) -> None:
    assert child.stdin is not None
    for message in messages:
        codec.write_message(child.stdin, message)


def receive(child: Child) -> codec.Message | None:
    assert child.stdout is not None
    return codec.read_message(child.stdout)


def ask(model: str = "fake", **values: object) -> Request:
    return Request(**{"prompt": "a person walks", "cleanup": False, "model": model, **values})


def test_it_greets(child: Child) -> None:
    send(child, Hello(__version__))
    assert receive(child) == Ready(__version__, child.pid, _host())


def test_another_package_version_is_a_warning(child: Child) -> None:
    send(child, Hello("0.0.1"))
    assert isinstance(receive(child), Ready)
    warning = receive(child)
    assert isinstance(warning, Log) and "0.0.1" in warning.text


def test_it_answers_pings_while_a_native_step_runs(child: Child) -> None:
    send(child, ask("stuck"))
    assert isinstance(receive(child), Progress)
    send(child, Ping(1), Ping(2))
    assert [receive(child), receive(child)] == [Pong(1), Pong(2)]


@pytest.mark.parametrize("model", ["slow", "stuck"])
def test_the_end_of_input_ends_it_in_the_middle_of_a_job(child: Child, model: str) -> None:
    send(child, ask(model, steps=1000))
    assert isinstance(receive(child), Progress)
    assert child.stdin is not None
    child.stdin.close()
    assert child.wait(PATIENCE) == 0


def test_the_end_of_output_ends_it(child: Child) -> None:
    send(child, ask("slow", steps=1000))
    assert isinstance(receive(child), Progress)
    assert child.stdout is not None
    child.stdout.close()
    assert child.wait(PATIENCE) == 3


def test_shutdown_ends_it(child: Child) -> None:
    send(child, Hello(__version__), Shutdown())
    assert isinstance(receive(child), Ready)
    assert receive(child) is None
    assert child.wait(PATIENCE) == 0


def test_wrong_messages_do_not_end_it(child: Child) -> None:
    request = ask()
    bad_request = {**ask().to_dict(), "id": "bad", "flavour": "sweet"}
    wrong_value = {**ask().to_dict(), "id": "long", "seconds": 1e9}
    no_float = {**ask().to_dict(), "id": "huge", "seed": 10**400}
    endless = "x" * 4_000_000  # an answer that repeats it would not fit into a frame
    assert child.stdin is not None
    for header in (
        {"type": "dance", "id": "what"},
        {"type": "request", "request": 5},
        {"type": "request", "request": bad_request},
        {"type": "request", "request": wrong_value},
        {"type": "request", "request": no_float},
        {"type": "request", "request": {**ask().to_dict(), "id": endless}},
        {"type": "list_models", "id": endless},
        {"type": "request", "request": {**ask().to_dict(), "id": "quoted", "sampler": endless}},
        {"type": "request", "request": {**ask().to_dict(), "id": "field", endless: 1}},
        {"no type": True},
        {"type": "progress", "id": "x", "stage": "s", "step": 1, "total": 2},
    ):
        framing.write_frame(child.stdin, header)
    send(child, Cancel("nobody"), request)
    answers = [receive(child) for _ in range(11)]
    assert all(isinstance(answer, Failure) for answer in answers)
    assert [(a.id, a.code) for a in answers] == [
        ("what", "format"),
        ("", "format"),
        ("bad", "invalid_request"),
        ("long", "invalid_request"),
        ("huge", "invalid_request"),
        ("", "format"),
        ("", "format"),
        ("quoted", "invalid_request"),
        ("field", "invalid_request"),
        ("", "format"),
        ("x", "format"),
    ]
    answer = receive(child)
    while isinstance(answer, Progress):
        answer = receive(child)
    assert isinstance(answer, Result) and answer.id == request.id


def test_the_same_id_twice_is_refused(child: Child) -> None:
    request = ask("slow")
    send(child, request, request)
    answers = [receive(child)]
    while not isinstance(answers[-1], Result):
        answers.append(receive(child))
    failures = [a for a in answers if isinstance(a, Failure)]
    assert [f.code for f in failures] == ["invalid_request"]


@pytest.mark.parametrize(
    ("garbage", "text"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "Kinetype frame"),
        (b"KNTP\x00\x63" + b"\x00" * 8, "protocol 99"),
        (b"KNTP\x00\x01\xff\xff\xff\xff\x00\x00\x00\x00", "limit"),
        (b"KNTP\x00\x01\x00\x00\x00\x02\xff\xff\xff\xff{}", "limit"),
        (b"KNTP\x00\x01\x00\x00\x00\x05\x00\x00\x00\x00[1,2]", "object"),
        (framing.pack_frame({"type": "ping", "number": 1})[:-3], "middle"),
    ],
)
def test_garbage_ends_it_with_a_reason(child: Child, garbage: bytes, text: str) -> None:
    assert child.stdin is not None
    child.stdin.write(garbage)
    child.stdin.close()
    failure = receive(child)
    assert isinstance(failure, Failure) and text in failure.message
    assert receive(child) is None
    assert child.wait(PATIENCE) == 2


def _host() -> str:
    import platform

    return platform.node()


def test_the_command_of_the_package_serves(server_env: dict[str, str]) -> None:
    frames = codec.to_bytes(Hello(__version__)) + codec.to_bytes(ask("no-such-model"))
    done = subprocess.run(
        [sys.executable, "-m", "backend", "serve", "--offline", "--threads", "1"],
        input=frames,
        capture_output=True,
        env=server_env,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.startswith(framing.MAGIC)


@pytest.mark.parametrize("flood", ["progress", "answers"])
def test_a_client_that_does_not_read_cannot_keep_it_alive(child: Child, flood: str) -> None:
    """The pipe is full, and what writes to it waits for ever; the end of input ends it."""
    assert child.stdin is not None
    if flood == "progress":
        send(child, *(ask("fake", steps=1000) for _ in range(60)))
        time.sleep(1.0)  # some of it is in the pipe, which holds 64 kB, then
        child.stdin.close()
        assert child.wait(PATIENCE) in (0, 3)
    else:
        with contextlib.suppress(BrokenPipeError):
            for number in range(200_000):
                send(child, Ping(number))
        assert child.wait(PATIENCE) == 3
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()


def test_progress_that_nobody_reads_is_left_out_and_results_are_not() -> None:
    read, write = os.pipe()
    with os.fdopen(write, "wb") as stream, os.fdopen(read, "rb") as reader:
        box = Outbox(stream, broken=lambda: None)
        frames = [n.to_bytes(2, "big") * 2000 for n in range(1000)]
        sent = [frame for frame in frames if box.put(frame)]
        assert MAX_UNREAD <= len(sent) < 400, "the pipe takes 16 of them, and 256 wait"
        waiting = threading.Thread(target=box.put, args=(b"result",), kwargs={"wait": True})
        waiting.start()
        found = reader.read(4000 * len(sent) + 6)
        waiting.join(PATIENCE)
        box.close(PATIENCE)
        assert found == b"".join(sent) + b"result"

"""A thousand mixed requests with cancels from several clients: waiting times and memory.

    python scripts/load_service.py --requests 1000 --clients 3 --json out/load_service.json

Each client is a session of the add-on with a service of its own, as several Blenders on one machine
are. Requests are generations of several lengths and sizes, edits, and some that no model can make;
some are cancelled while they wait or run. The memory of each service after a tenth of its requests
is held against that after the last.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from backend.errors import InvalidRequest, ServiceError
from backend.wire.control import Ready
from backend.wire.messages import Edit, Failure, Motion, Progress, Request, Result, new_id
from blender_addon.client import ProcessSession, default_command

PROMPTS = ("a person walks", "wave with the right hand", "run and jump", "sit down", "xyzzy fnord")
IN_LINE = 3
"""Requests that a client has under way at once."""
GROWTH = 0.05


@dataclass
class Client:
    """A session, what it has under way, and what it saw."""

    rng: random.Random
    left: int
    session: ProcessSession = field(
        default_factory=lambda: ProcessSession(*default_command(threads=1, offline=True))
    )
    sent: dict[str, float] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    last: Motion | None = None
    pid: int = 0
    done: int = 0
    early: int = 0
    settled_at: int = 0

    @property
    def working(self) -> bool:
        """Whether anything is to come."""
        return bool(self.left or self.sent)

    def step(self) -> None:
        """Send what there is room for, take what came."""
        while self.left and len(self.sent) < IN_LINE:
            self.left -= 1
            self._send(self._request())
        for event in self.session.events():
            self._take(event)
        if self.sent and self.rng.random() < 0.01:
            self.session.cancel(self.rng.choice(list(self.sent)))
        if self.session.state == "dead":
            raise self.session.error or ServiceError("The service ended.", "See its log.")

    def _send(self, request: Request) -> None:
        try:
            self.sent[self.session.submit(request)] = time.perf_counter()
        except InvalidRequest:
            self.ends["refused before sending"] += 1
            self.done += 1

    def _take(self, event: object) -> None:
        if isinstance(event, Ready):
            self.pid = event.pid
        if isinstance(event, Progress) and self.rng.random() < 0.01:
            self.session.cancel(event.id)
        if not isinstance(event, Result | Failure) or event.id not in self.sent:
            return
        wait = time.perf_counter() - self.sent.pop(event.id)
        self.done += 1
        if isinstance(event, Result):
            self.waits.append(wait)
            self.last = event.motions[0]
        self.ends["done" if isinstance(event, Result) else event.code] += 1
        if self.done == self.settled_at:
            self.early = memory(self.pid)

    def _request(self) -> Request:
        kind = self.rng.random()
        steps = self.rng.choice((2, 5))
        plain = Request("walk", seed=self.rng.randrange(10**6), steps=steps, id=new_id())
        if kind < 0.05:
            return replace(plain, model="no-such-model")
        if kind < 0.10:
            return replace(plain, seconds=1e6)
        if kind < 0.25 and self.last is not None:
            return replace(plain, prompt="wave", edit=Edit(self.last, frames=(3, 12)))
        return replace(
            plain,
            prompt=self.rng.choice(PROMPTS),
            seconds=self.rng.choice((1.0, 2.0, 4.0)),
            samples=self.rng.choice((1, 1, 2)),
        )


def memory(pid: int) -> int:
    """Resident memory of a process (kB); 0 where the system does not say it."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS")), 0)


def main() -> int:
    """Send, wait, print; exit code 1 when memory grew or a request had no answer."""
    options = parse()
    each = options.requests // options.clients
    clients = [Client(random.Random(n), each) for n in range(options.clients)]
    started = time.perf_counter()
    for client in clients:
        client.settled_at = max(each // 10, 1)
        client.session.start()
    while any(client.working for client in clients):
        for client in clients:
            client.step()
        time.sleep(0.005)
    late = [memory(client.pid) for client in clients]
    for client in clients:
        client.session.stop()
    ends = sum((client.ends for client in clients), Counter())
    early = [client.early for client in clients]
    growth = [b / a - 1.0 if a else 0.0 for a, b in zip(early, late, strict=True)]
    waits = np.percentile([wait for client in clients for wait in client.waits], (50, 95, 99))
    report = {
        "requests": sum(ends.values()),
        "ends": dict(ends),
        "seconds": round(time.perf_counter() - started, 1),
        "waits p50/p95/p99 (s)": [round(float(wait), 2) for wait in waits],
        "memory, growth per service": [f"{value:+.1%}" for value in growth],
    }
    for name, value in report.items():
        print(f"{name}: {value}")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return int(max(growth) > GROWTH or sum(ends.values()) != each * options.clients)


def parse() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--clients", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the report there, too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""The processes of one training: those that ``torchrun`` started, or this one alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed


@dataclass(frozen=True)
class Process:
    """This process among those of ``torchrun``; alone without it."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and reports."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.world > 1:
            distributed.barrier()

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether the flag is set in any process: one that stopped alone would leave them waiting.

        Args:
            device: of the networks.
        """
        if self.world == 1:
            return flag
        shared = torch.tensor(float(flag), device=device)
        distributed.all_reduce(shared, distributed.ReduceOp.MAX)
        return bool(shared)


ALONE = Process()


@contextmanager
def process_group(device: str) -> Iterator[Process]:
    """Join the processes that ``torchrun`` started: NCCL on CUDA, else Gloo.

    One that torchrun started and that ended well leaves the program here: threads of the
    communication outlive the group now and then, and the interpreter's end would abort on them.
    """
    if "WORLD_SIZE" not in os.environ:
        yield Process()
        return
    cuda = torch.device(device).type == "cuda"
    local = int(os.environ["LOCAL_RANK"])
    if cuda:
        torch.cuda.set_device(local)
    distributed.init_process_group("nccl" if cuda else "gloo")
    process = Process(distributed.get_rank(), distributed.get_world_size(), local)
    try:
        yield process
        process.wait()
    finally:
        distributed.destroy_process_group()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)

"""The real command in a process of its own, and a tiny real model for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

REPO = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 240

Kinetype = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Where the command finds the package; it runs outside the repository, and offline."""
    env = {**os.environ, "PYTHONPATH": str(REPO), "HF_HUB_OFFLINE": "1", "NO_COLOR": "1"}
    env.setdefault("OMP_NUM_THREADS", "2")
    return env


@pytest.fixture
def kinetype(environment: dict[str, str], tmp_path: Path) -> Kinetype:
    """``kinetype(*arguments, **environment)`` runs the command in the test's folder."""

    def run(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "backend", *map(str, arguments)],
            cwd=tmp_path,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )

    return run


@pytest.fixture
def kinetype_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Kinetype:
    """The same in this process: for many cases that each would wait for torch to be imported."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        from backend.cli.main import main

        words = [str(word) for word in arguments]
        capsys.readouterr()
        code = main(words)
        captured = capsys.readouterr()
        return subprocess.CompletedProcess(words, code, captured.out, captured.err)

    return run


def _standing_features() -> np.ndarray:
    """smplrifke205 of two seconds of standing still, ``[T, 205]``."""
    from backend.motion.representations import motion135, smplrifke205

    rotations = np.broadcast_to(np.eye(3), (60, 22, 3, 3)).copy()
    root = np.tile([0.0, 0.93, 0.0], (60, 1))
    return smplrifke205.from_motion135(motion135.pack(root, rotations))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with a real, untrained network that stands and trembles a little."""
    import torch

    from backend.diffusion.schedule import Schedule
    from backend.models.dit import DiT, DiTConfig
    from backend.pipelines.dit.pipeline import DiTPipeline, DiTPipelineConfig
    from backend.store.model_folder import Stats

    folder = tmp_path_factory.mktemp("models") / "tiny"
    torch.manual_seed(0)
    network = DiTConfig(width=32, depth=1, heads=2, stem_width=16, max_frames=128)
    net = DiT(network)
    # The output layer starts at zero; without this every seed would give the same motion.
    torch.nn.init.normal_(net.head2.weight, std=0.1)
    mean = torch.from_numpy(np.asarray(_standing_features()).mean(0)).float()
    config = DiTPipelineConfig(
        network, Schedule("cosine", 20), name="tiny", licence="CC0-1.0", max_frames=100, steps=4
    )
    stats = Stats(mean, torch.full_like(mean, 0.02))
    return DiTPipeline(config, net, stats, device="cpu").save_pretrained(folder)


@pytest.fixture
def broken_model(tiny_model: Path, tmp_path: Path) -> Callable[[str, Callable[[bytes], Any]], Path]:
    """``broken_model(file, damage)``: a copy of the tiny model with one file damaged."""

    def damaged(name: str, damage: Callable[[bytes], Any]) -> Path:
        folder = tmp_path / "broken"
        folder.mkdir()
        for file in tiny_model.iterdir():
            content = file.read_bytes()
            content = damage(content) if file.name == name else content
            if content is not None:
                (folder / file.name).write_bytes(content)
        return folder

    return damaged

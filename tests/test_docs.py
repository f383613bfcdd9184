"""What the documents say exists, exists."""

from __future__ import annotations

import argparse
import re
import runpy
from pathlib import Path

import pytest

from backend.cli.main import COMMANDS, build_parser

REPO = Path(__file__).resolve().parents[1]
PAGES = [
    *REPO.glob("*.md"),
    *(REPO / "docs").glob("*.md"),
    *(REPO / "backend" / "assets").glob("*/README.md"),
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


def slug(heading: str) -> str:
    """The anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPO).as_posix())
def test_anchors_exist(page: Path) -> None:
    missing = []
    for target in re.findall(r"\]\(([^)\s]*#[^)\s]+)\)", page.read_text(encoding="utf-8")):
        file, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        there = (page.parent / file) if file else page
        headings = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE)
        if anchor not in map(slug, headings):
            missing.append(target)
    assert not missing


def command_of(words: list[str]) -> argparse.ArgumentParser | None:
    """The parser of ``kinetype WORDS``, as far down as they name commands."""
    found: argparse.ArgumentParser | None = None
    parser = build_parser()
    for word in words:
        kinds = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
        if not kinds or word not in kinds[0].choices:
            return found
        found = parser = kinds[0].choices[word]
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPO).as_posix())
def test_options_that_a_page_shows_exist(page: Path) -> None:
    """In ``kinetype COMMAND … --option``, over lines that a backslash or an indent joins."""
    text = re.sub(r"\\?\n(?= +--)|\\\n", " ", page.read_text(encoding="utf-8"))
    wrong = []
    for line in re.findall(r"(?:kinetype|-m kinetype) ([a-z][^`\n]*)", text):
        parser = command_of(line.split())
        known = parser._option_string_actions if parser else {}
        named = re.findall(r"(?<![\w-])--[a-z][\w-]*", line) if parser else []
        wrong += [f"{option} of {line[:40]}" for option in named if option not in known]
    assert not wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPO).as_posix())
def test_files_that_a_page_names_exist(page: Path) -> None:
    named = re.findall(
        r"\b((?:scripts|backend|tests|blender_addon)/[\w/]+\.\w+)", page.read_text(encoding="utf-8")
    )
    assert not [name for name in set(named) if not (REPO / name).exists()]


def test_these_checks_see_something() -> None:
    parser = command_of(["train", "dit", "--data"])
    assert parser is not None and "--minutes" in parser._option_string_actions
    assert slug("How reliable is FD on 10 x 64 samples") == "how-reliable-is-fd-on-10-x-64-samples"
    shown = [len(re.findall(r"kinetype [a-z-]+ .*--\w", p.read_text("utf-8"))) for p in PAGES]
    assert sum(shown) > 40


def test_every_fault_of_the_table_has_its_test() -> None:
    page = (REPO / "docs" / "reliability.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and "| test |" not in line]
    named = [re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row) for row in rows]
    assert len(rows) > 40 and all(named)
    for file, test in [pair for row in named for pair in row]:
        assert f"def {test}(" in (REPO / file).read_text(encoding="utf-8"), f"{file}::{test}"


def test_the_table_of_models_is_that_of_the_cards() -> None:
    made = runpy.run_path(str(REPO / "scripts" / "models_table.py"))["table"]()
    page = (REPO / "docs" / "models.md").read_text(encoding="utf-8")
    assert made in page, "run scripts/models_table.py"

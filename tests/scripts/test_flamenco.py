"""The Flamenco job type, compiled by a stand-in for the manager."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "flamenco" / "kinetype_render.js"
MANAGER = """
const tasks = [];
const author = {
    Task: (name, type) => ({ name, type, commands: [], after: [],
        addCommand(c) { this.commands.push(c); }, addDependency(t) { this.after.push(t.name); } }),
    Command: (name, parameters) => ({ name, parameters }),
};
%s
compileJob({ settings: %s, addTask: (task) => tasks.push(task) });
console.log(JSON.stringify(tasks.map((t) =>
    ({ name: t.name, type: t.type, after: t.after, command: t.commands[0] }))));
"""
SETTINGS = {
    "jobs": "/farm/jobs.yaml", "out": "/farm/out", "names": "a, b", "frames": "1-50",
    "chunk_size": 20, "kinetype": "kinetype", "blender": "",
}  # fmt: skip

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="runs JavaScript")


def compiled(**settings: object) -> subprocess.CompletedProcess[str]:
    text = MANAGER % (SCRIPT.read_text(), json.dumps(SETTINGS | settings))
    return subprocess.run(["node", "-e", text], capture_output=True, text=True, check=False)


def test_motions_first_then_a_task_for_each_chunk_of_each_job() -> None:
    tasks = json.loads(compiled().stdout)
    assert [t["name"] for t in tasks] == [
        "make motions", "a 1-20", "a 21-40", "a 41-50", "b 1-20", "b 21-40", "b 41-50",
    ]  # fmt: skip
    assert [t["after"] for t in tasks] == [[], *[["make motions"]] * 6]
    assert {t["command"]["name"] for t in tasks} == {"exec"}


def test_the_commands_are_ones_that_kinetype_knows() -> None:
    from backend.cli.main import build_parser

    for task in json.loads(compiled(blender="/opt/blender").stdout):
        assert task["command"]["parameters"]["exe"] == "kinetype"
        options = build_parser("batch").parse_args(task["command"]["parameters"]["args"])
        assert str(options.out) == "/farm/out" and str(options.jobs) == "/farm/jobs.yaml"
    assert (options.kind, options.only, options.frames) == ("render", ["b"], "41-50")
    assert options.made and options.blender == "/opt/blender"


@pytest.mark.parametrize("wrong", [{"names": " , "}, {"frames": "9-1"}, {"frames": "all"}])
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    done = compiled(**wrong)
    assert done.returncode != 0 and "Error" in done.stderr

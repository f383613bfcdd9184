"""Lists of prompts and job files in every format; refusals name the place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.batch.job_file import KEYS, check_name, key_help, read_jobs, sample_names, slug
from backend.errors import FormatError, InvalidRequest

DEFAULTS = {"seconds": 3.0, "seed": 5, "samples": 1, "model": "starter"}
Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def call(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return call


def test_the_same_jobs_in_json_csv_and_yaml(write: Write) -> None:
    jobs = [
        {"prompt": "walk, then bow", "seconds": 2.5, "seed": 7, "samples": 2, "cleanup": False},
        {"prompt": "jump", "name": "hop", "model": "starter-open", "steps": 10},
    ]
    forms = {
        "a.json": json.dumps(jobs),
        "b.csv": "prompt,seconds,seed,samples,cleanup,name,model,steps\n"
        '"walk, then bow",2.5,7,2,no,,,\njump,,,,,hop,starter-open,10\n',
        "c.yaml": "- {prompt: 'walk, then bow', seconds: 2.5, seed: 7, samples: 2,\n"
        "   cleanup: false}\n"
        "- prompt: jump\n  name: hop\n  model: starter-open\n  steps: 10\n",
    }
    read = [read_jobs(None, write(name, text), DEFAULTS) for name, text in forms.items()]
    assert read[0] == read[1] == read[2]
    first, second = read[0]
    assert first.name == "000_walk_then_bow" and first.request == {
        "prompt": "walk, then bow", "seconds": 2.5, "seed": 7, "samples": 2, "model": "starter",
        "cleanup": False,
    }  # fmt: skip
    assert second.name == "hop" and second.request["seed"] == 5 and second.request["steps"] == 10
    assert sample_names(first) == ["000_walk_then_bow_00", "000_walk_then_bow_01"]


def test_lines_of_prompts(write: Write) -> None:
    text = "# a list\n\n walk \r\nwalk\u2028slowly\nwalk\nwalk\n"
    jobs = read_jobs(write("p.txt", text), None, {**DEFAULTS, "samples": 2})
    assert [j.request["prompt"] for j in jobs] == ["walk", "walk\u2028slowly", "walk", "walk"]
    # copies of a prompt are not the same motion again, and their samples do not overlap
    assert [j.request["seed"] for j in jobs] == [5, 5, 7, 9]


def test_letters_of_every_script_stay_in_names() -> None:
    assert slug("Eine Frau läuft!") == "eine_frau_läuft"
    assert slug("歩く 人") == "歩く_人" and slug("Walk -- jump?") == "walk_jump"
    assert slug("!!") == "motion" and len(slug("人" * 100).encode()) <= 120


@pytest.mark.parametrize(
    "name", ["a/b", "a\\b", "..", ".hidden", "", "a:b", "x.npz", "a\n", "end.", "n" * 201, 3]
)
def test_names_that_no_file_can_have(name: object) -> None:
    with pytest.raises(InvalidRequest):
        check_name(name)


@pytest.mark.parametrize(
    ("name", "text", "error", "says"),
    [
        ("a.json", "{}", FormatError, "list of objects"),
        ("a.json", "[{]", FormatError, "not JSON"),
        ("a.json", '[{"prompt": "walk", "seconds": NaN}]', FormatError, "not JSON"),
        ("a.json", "[" * 100_000, FormatError, "not JSON"),
        ("a.json", '[{"seconds": 3}]', InvalidRequest, "Job 0 .* no prompt"),
        ("a.json", '[{"prompt": "w"}, {"prompt": "w", "sp": 3}]', InvalidRequest, r"Job 1 .*sp"),
        ("a.json", '[{"prompt": "w", "name": "X"}, {"prompt": "j", "name": "x"}]', InvalidRequest,
         "Two jobs are named 'x'"),
        ("a.csv", "prompt,seconds\nwalk,long\n", FormatError, "Line 2 .*'long' is not a seconds"),
        ("a.csv", "prompt\nwalk, then bow\n", FormatError, "Line 2 .*more cells"),
        ("a.csv", "prompt,cleanup\nwalk,maybe\n", FormatError, "'maybe' is not a cleanup"),
        ("a.yaml", "- prompt: [", FormatError, "not YAML"),
        ("a.yaml", "!!python/object/apply:os.system ['true']", FormatError, "not YAML"),
        ("a.txt", "# nothing\n", InvalidRequest, "nothing to do"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(
    write: Write, name: str, text: str, error: type[Exception], says: str
) -> None:
    path = write(name, text)
    prompts, jobs = (path, None) if path.suffix == ".txt" else (None, path)
    with pytest.raises(error, match=says):
        read_jobs(prompts, jobs, DEFAULTS)


def test_every_key_has_a_line_of_help() -> None:
    assert all(f"{key}: {meaning}" in key_help() for key, meaning in KEYS.items())

"""Published rows stand beside a run only where they may be compared with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.cli.main import main
from backend.evaluation import published
from backend.evaluation.published import Group


def test_groups_keep_apart_what_cannot_be_compared() -> None:
    found = published.groups("ms272")
    methods = {name: group for group, table in found.items() for name in table}
    assert methods["MDM official"].captions == "selected"
    assert methods["ViMoGen 1.3B prompt-rewrite"].captions == "rewritten"
    seed = next(g for n, g in methods.items() if n.startswith("MDM seed"))
    assert seed.captions == "every caption's" and seed.motions == published.ALL_CAPTIONS
    assert methods["MDM official"].reference != methods["HYMotion 1.0B"].reference
    real = found[methods["GT 0 beta"]]["GT 0 beta"]
    assert real["R@1"].mean == 0.7703 and real["Diversity"].mean == 27.7705
    # one space of the distance is never shown as the other
    joints = published.groups("joints66")
    rows = {name: row for table in joints.values() for name, row in table.items()}
    assert (
        "FD" not in rows["PRISM KAFS cfg5 · e20"] and "FD (unit length)" not in rows["MDM official"]
    )
    tm2d = {n: r for t in published.groups("hml263").values() for n, r in t.items()}
    assert "FD (scale not said)" in tm2d["TM2D official E0190/E0020"]
    assert published.groups("starter") == {}


def test_a_run_joins_the_group_of_its_kind_or_stands_alone() -> None:
    table = {"predictions": {"R@1": {"mean": 0.5, "low": 0.5, "high": 0.5}}}
    report = {"protocol": {"evaluator": "ms272"}, "table": table, "n": 4042}
    text = published.beside(report | {"captions": {"choice": "selected"}})
    first = text.index(published.OWN)
    assert text.index(str(Group("selected", 4042))[:30]) < first
    assert text.count(published.OWN) == sum(
        (g.captions, g.motions) == ("selected", 4042) for g in published.groups("ms272")
    )
    alone = published.beside(report | {"captions": {"choice": "first"}})
    assert alone.count(published.OWN) == 1
    assert alone.index(published.OWN) < alone.index("selected captions")
    # rows keep the file's order: nothing is ranked
    names = list(published.groups("ms272")[next(iter(published.groups("ms272")))])
    assert sorted(names, key=text.index) == names


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    points = np.random.default_rng(0).normal(size=(20, 22, 3)).astype(np.float32)
    np.save(tmp_path / "a.npy", points)
    command = ["evaluate", "--evaluator", "physical", "--gt", str(tmp_path), "--published"]
    assert main([*command, "--pred", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "MoMask official" in printed and "no captions, 1 motions" in printed
    assert "2.640" in printed, "float of the real motions, in percent"

"""Evaluators from folders as they are published, against outputs of Motius @50cf750."""

from __future__ import annotations

import json
import re
import shutil
import sys
import types
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from backend.cli.main import main
from backend.evaluation import protocol, selected_captions
from backend.evaluation.evaluators import (
    HumanML263Evaluator,
    Joints66Evaluator,
    MotionCLIP135Evaluator,
    MotionStreamer272Evaluator,
)
from backend.evaluation.words import frame_tokens, tokenise


@pytest.fixture
def motius(kit: Path) -> Path:
    return kit / "motius"


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def numbered(found: dict[str, np.ndarray], name: str = "motion") -> list[np.ndarray]:
    count = sum(key.startswith(name) and key[len(name) :].isdigit() for key in found)
    return [found[f"{name}{i}"] for i in range(count)]


def by_rule(name: str, shape: list[int]) -> torch.Tensor:
    """A tensor of the HumanML3D evaluator, as the manifest makes it."""
    values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if len(shape) > 1:
        values *= np.prod(shape[1:]) ** -0.5
    else:
        values = values * 0.1 + (1.0 if name.endswith("output_net.1.weight") else 0.0)
    return torch.from_numpy(values.astype(np.float32))


@pytest.fixture(scope="module")
def hml263(kit: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published folder of the HumanML3D evaluator, at full size."""
    folder = tmp_path_factory.mktemp("evaluator") / "hml263"
    shutil.copytree(kit / "motius" / "hml263_artifact_files", folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    shapes = json.loads((kit / "motius" / "hml263_tensor_shapes.json").read_text())
    save_file({n: by_rule(n, s) for n, s in shapes.items()}, folder / "model.safetensors")
    golden = arrays(kit / "motius" / "hml263_golden.npz")
    (folder / "stats").mkdir()
    for name in ("mean", "std"):
        np.save(folder / "stats" / f"{name}.npy", golden[name])
    return folder


@pytest.fixture
def little_spacy(motius: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """spaCy as the golden's stand-in: part of speech and lemma of each word from a table."""
    found = json.loads((motius / "hml263_texts.json").read_text())
    table: dict[str, tuple[str, str]] = {}
    for caption, tokens in zip(found["captions"], found["tokens_without_frame"], strict=True):
        words = [w for w in caption.replace("-", "").split() if w.isalpha()]
        pairs = zip(words, (t.split("/") for t in tokens), strict=False)
        table |= {word: (lemma, tag) for word, (lemma, tag) in pairs}

    def token(word: str) -> types.SimpleNamespace:
        lemma, tag = table.get(word, (word, "PUNCT"))
        # a lemma keeps the capital here, so that lowering it is the product's work
        lemma = lemma.capitalize() if word[0].isupper() else lemma
        return types.SimpleNamespace(text=word, pos_=tag, lemma_=lemma)

    pipe = types.SimpleNamespace(
        pipe=lambda texts: [[token(w) for w in text.split()] for text in texts]
    )
    monkeypatch.setitem(sys.modules, "spacy", types.SimpleNamespace(load=lambda name: pipe))
    yield


def test_hml263_tokens(motius: Path, little_spacy: None) -> None:
    found = json.loads((motius / "hml263_texts.json").read_text())
    made = tokenise(found["captions"])
    assert [tokens[:20] for tokens in made] == found["tokens_without_frame"]
    assert [frame_tokens(tokens)[1] for tokens in made] == found["lengths_with_frame"]


def test_hml263_embeddings(motius: Path, hml263: Path, little_spacy: None) -> None:
    evaluator = HumanML263Evaluator.from_pretrained(hml263)
    golden = arrays(motius / "hml263_golden.npz")
    motions = numbered(golden)
    assert {len(m) for m in motions} >= {4, 8, 36, 43, 230}
    made = evaluator.embed_motions(motions)
    assert np.abs(made - golden["motion_embeddings"]).max() < 2e-5
    captions = json.loads((motius / "hml263_texts.json").read_text())["captions"]
    assert np.abs(evaluator.embed_texts(captions) - golden["text_embeddings"]).max() < 2e-5
    assert set(evaluator.hashes) >= {"model.safetensors", "stats/mean.npy"}


def test_ms272_embeddings(motius: Path) -> None:
    evaluator = MotionStreamer272Evaluator.from_pretrained(motius / "ms272_artifact")
    golden = arrays(motius / "ms272_golden.npz")
    motions = numbered(golden)
    assert {len(m) for m in motions} >= {24, 40, 61, 301}
    made = evaluator.embed_motions(motions)
    assert np.abs(made - golden["motion_embeddings"]).max() < 1e-5
    captions = [str(c) for c in golden["captions"]]
    assert np.abs(evaluator.embed_texts(captions) - golden["text_embeddings"]).max() < 1e-5


def test_joints66_embeddings(motius: Path) -> None:
    evaluator = Joints66Evaluator.from_pretrained(motius / "joints66_artifact")
    golden = arrays(motius / "joints66_golden.npz")
    for name, prefix in (("motion_embeddings", "motion"), ("pred_embeddings", "pred")):
        made = evaluator.embed_motions(numbered(golden, prefix))
        assert np.abs(made - golden[name]).max() < 1e-5
    captions = [str(c) for c in golden["captions"]]
    assert np.abs(evaluator.embed_texts(captions) - golden["text_embeddings"]).max() < 1e-5


def write_set(folder: Path, golden: dict[str, np.ndarray], kinds: dict[str, str]) -> None:
    """Motions and captions of a golden as the folders that the command reads."""
    (folder / "captions").mkdir()
    for i, caption in enumerate(golden["captions"]):
        (folder / "captions" / f"c{i:02}.txt").write_text(f"{caption}\n")
    for kind, prefix in kinds.items():
        (folder / kind).mkdir()
        for i, motion in enumerate(numbered(golden, prefix)[: len(golden["captions"])]):
            np.save(folder / kind / f"c{i:02}.npy", motion)


def check_row(report: dict, expected: dict, *, fid_tolerance: float = 1e-8) -> None:
    """A row of predictions against the published aggregate."""
    real, row = report["table"]["ground truth"], report["table"]["predictions"]
    for k, share in enumerate(expected["r_precision"], 1):
        assert row[f"R@{k}"]["mean"] == pytest.approx(share, abs=1e-12)
        half = row[f"R@{k}"]["high"] - row[f"R@{k}"]["mean"]
        n = expected["n_repeats"]
        assert half == pytest.approx(1.96 * expected["r_precision_std"][k - 1] / n**0.5, abs=1e-9)
    assert row["MM-Dist"]["mean"] == pytest.approx(expected["matching_score"], abs=1e-5)
    assert row["FD (unit length)"]["mean"] == pytest.approx(expected["fid"], abs=fid_tolerance)
    assert row["Diversity"]["mean"] == pytest.approx(expected["diversity_predicted"], abs=1e-5)
    assert real["Diversity"]["mean"] == pytest.approx(expected["diversity_reference"], abs=1e-5)
    assert report["n_in_galleries"] == expected["n_samples_used"]


def test_joints66_metrics_from_the_command_line(motius: Path, tmp_path: Path) -> None:
    golden = arrays(motius / "joints66_golden.npz")
    expected = json.loads((motius / "joints66_metrics.json").read_text())
    write_set(tmp_path, golden, {"gt": "motion", "pred": "pred"})
    command = ["evaluate", "--evaluator", "joints66", "--preset", "leaderboard"]
    command += ["--weights", str(motius / "joints66_artifact"), "--gt", str(tmp_path / "gt")]
    command += ["--pred", str(tmp_path / "pred"), "--captions", str(tmp_path / "captions")]
    cases = [([], expected["evaluate"][0])] + [
        (["--repeats", str(repeats), "--seed", str(seed)], found)
        for (repeats, seed), found in zip(
            expected["n_repeats_seed"][1:], expected["evaluate"][1:], strict=True
        )
    ]
    cases.append((["--equal-captions"], expected["positive_groups_by_caption_repeats1_seed0"]))
    for options, found in cases:
        assert main([*command, *options, "--out", str(tmp_path / "out")]) == 0
        report = json.loads((tmp_path / "out" / "evaluation.json").read_text())
        check_row(report, found)
        assert report["protocol"]["caption"] == "selected"


def test_aggregates(motius: Path) -> None:
    """The table of embeddings alone, for numbers of samples around a gallery and with groups."""
    inputs = arrays(motius / "t2m_metrics_inputs.npz")
    for name, expected in json.loads((motius / "t2m_metrics.json").read_text()).items():
        if name == "groups_of_3_seed0":
            n, seed, repeats, batch, groups = 100, 0, 1, 32, inputs["groups"]
        else:
            n, seed, repeats, batch = map(int, re.findall(r"\d+", name))
            groups = None
        asked = protocol.Protocol("t", repeats, seed, batch=batch, small_galleries=True)
        text, real, pred = (inputs[key][:n] for key in ("text", "real", "pred"))
        texts = protocol.Texts.from_counts(text, [1] * n)
        table = protocol.as_json(protocol.evaluate(asked, texts, real, pred, groups=groups))
        report = {"table": table, "n_in_galleries": n // asked.gallery(n) * asked.gallery(n)}
        check_row(report, expected)


def test_ms272_from_the_command_line(motius: Path, tmp_path: Path) -> None:
    """A folder in the published layout: the ground truth's distance from its texts."""
    golden = arrays(motius / "ms272_golden.npz")
    write_set(tmp_path, golden, {"gt": "motion"})
    command = ["evaluate", "--evaluator", "ms272", "--preset", "leaderboard", "--gt-only"]
    command += ["--weights", str(motius / "ms272_artifact"), "--gt", str(tmp_path / "gt")]
    command += ["--captions", str(tmp_path / "captions"), "--out", str(tmp_path)]
    assert main(command) == 0
    report = json.loads((tmp_path / "evaluation.json").read_text())
    count = len(golden["captions"])
    apart = golden["text_embeddings"] - golden["motion_embeddings"][:count]
    expected = np.linalg.norm(apart.astype(np.float64), axis=-1).mean()
    assert report["table"]["ground truth"]["MM-Dist"]["mean"] == pytest.approx(expected, abs=1e-5)
    assert report["n"] == count and set(report["sha256"]["evaluator"]) >= {"model.safetensors"}


def test_selected_captions(motius: Path) -> None:
    found = json.loads((motius / "selected_captions.json").read_text())["captions"]
    shipped = json.loads(selected_captions.PATH.read_text())["captions"]
    assert shipped == {name: digest for name, (_, digest) in found.items()}
    assert len(shipped) == 4042


def test_motionclip_towers(motius: Path) -> None:
    net = MotionCLIP135Evaluator.from_pretrained(motius / "motionclip_artifact").net
    golden = {k: torch.from_numpy(v) for k, v in arrays(motius / "motionclip_golden.npz").items()}
    mask = golden["motion_mask"].bool()
    with torch.inference_mode():
        states = net.motion_model.states(golden["motion"], mask)
        found = {
            "motion_embeddings": net.embed_motion(golden["motion"], mask),
            "text_embeddings": net.embed_text(golden["ids"], golden["text_mask"].bool()),
            "motion_last_hidden_row0": states[0],
        }
    for name, made in found.items():
        assert (made - golden[name]).abs().max() < 1e-5, name

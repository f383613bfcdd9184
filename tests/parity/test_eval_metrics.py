"""Metrics against the published implementations."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.errors import FormatError
from backend.evaluation import distribution, metrics, retrieval
from tests.parity.formula import formula_array

GOLDEN = Path(__file__).parent / "golden" / "metrics"


def arrays(name: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as file:
        return dict(file)


def numbers(name: str) -> dict:
    return json.loads((GOLDEN / f"{name}.json").read_text())


FRECHET = numbers("frechet")


@pytest.mark.parametrize("case", FRECHET)
def test_frechet_distance(case: str) -> None:
    inputs, golden = arrays("frechet_inputs"), FRECHET[case]
    found = metrics.frechet_distance(inputs[f"{case}_x"], inputs[f"{case}_y"])
    # roots of eigenvalues that are zero but for rounding: their noise is the processor's
    noise = 1e-7 if golden["rank_x"] == golden["rank_y"] == golden["dim"] else 1e-5
    assert found == pytest.approx(golden["eigenvalue_form"], rel=1e-9, abs=noise)
    full_rank = golden["rank_x"] == golden["rank_y"] == golden["dim"]
    # the published form itself is only this good where the covariance is singular
    gap = max(1e-3, abs(golden["official"] - golden["eigenvalue_form"]))
    tolerance = {"rel": 1e-9, "abs": 1e-7} if full_rank else {"abs": gap}
    assert found == pytest.approx(golden["official"], **tolerance)


@pytest.mark.parametrize("k", [3, 5])
@pytest.mark.parametrize("case", list("abcd"))
def test_prdc(case: str, k: int) -> None:
    inputs = arrays("prdc_inputs")
    found = metrics.prdc(inputs[f"{case}_real"], inputs[f"{case}_fake"], k)
    assert found == pytest.approx(numbers("prdc")[f"{case}_k{k}"], abs=1e-12)


def test_retrieval_in_batches_of_32() -> None:
    z = arrays("retrieval_metrics")
    found = retrieval.match(z["text"], z["pred"])
    assert np.array_equal(found.hits, z["top123_counts_per_batch"])
    assert found.r_precision == pytest.approx(z["r_precision"], abs=1e-12)
    assert found.distance_sum == pytest.approx(z["matching_sum_per_batch"], rel=2e-5)
    assert metrics.matching_score(z["text"], z["pred"]) == pytest.approx(
        float(z["mm_dist"]), rel=2e-5
    )


def test_diversity_and_multimodality_with_the_published_draws() -> None:
    z = arrays("retrieval_metrics")
    rng = np.random.RandomState(int(z["seed"]))
    assert metrics.diversity(z["pred"], 100, rng) == pytest.approx(
        float(z["diversity_seeded_100"]), rel=1e-5
    )
    explicit = np.linalg.norm(z["pred"][z["div_idx1"]] - z["pred"][z["div_idx2"]], axis=1).mean()
    assert explicit == pytest.approx(float(z["diversity_indices"]), rel=1e-5)

    class Draws:
        def __init__(self, *indices: np.ndarray) -> None:
            self.indices = list(indices)

        def choice(self, *_: object, **__: object) -> np.ndarray:
            return self.indices.pop(0)

    found = metrics.multimodality(z["mm"], 10, Draws(z["mm_idx1"], z["mm_idx2"]))  # type: ignore[arg-type]
    assert found == pytest.approx(float(z["multimodality_10"]), rel=1e-5)


def test_aggregate_protocol() -> None:
    z, golden = arrays("aggregate_inputs"), numbers("aggregate_protocol")
    rng = np.random.default_rng(0)
    runs = []
    for _ in range(5):
        order = rng.permutation(len(z["text"]))
        runs.append(
            [retrieval.match(z["text"][order], z[name][order]) for name in ("real", "pred")]
        )
    for column, name in enumerate(("real", "pred")):
        precision = np.array([run[column].r_precision for run in runs])
        assert precision.mean(0) == pytest.approx(golden[f"r_precision_{name}"], abs=1e-12)
        score = np.mean([run[column].matching_score for run in runs])
        assert score == pytest.approx(golden[f"matching_{name}"], abs=1e-9)
    assert np.std([run[1].r_precision for run in runs], axis=0) == pytest.approx(
        golden["r_precision_pred_std"], abs=1e-12
    )
    assert metrics.frechet_distance(z["real"], z["pred"]) == pytest.approx(golden["fid"], abs=1e-8)
    state = np.random.RandomState(int(arrays("retrieval_metrics")["seed"]))
    pairs = min(300, len(z["real"]))
    drawn = [[metrics.diversity(z[name], pairs, state) for name in ("real", "pred")] for _ in runs]
    expected = [golden["diversity_real"], golden["diversity_pred"]]
    assert np.mean(drawn, axis=0) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "seed", "batches", "dim", "corr", "modal"),
    [
        ("t2m_metrics", 405, 10, 48, 0.35, (6, 14)),
        ("t2m_metrics_full_dim", 406, 34, 512, 0.06, (5, 30)),
    ],
)
def test_text_to_motion_metrics(
    name: str, seed: int, batches: int, dim: int, corr: float, modal: tuple[int, int]
) -> None:
    z = arrays(name)
    n = 32 * batches
    text = formula_array("emb_text", (n, dim), seed)
    motion = corr * text + (1 - corr) * formula_array("emb_noise", (n, dim), seed) + 0.1
    motion = motion.astype(np.float32)
    real = (formula_array("emb_gt", (n + 17, dim), seed) * 1.1 - 0.05).astype(np.float32)
    many = formula_array("emb_mm", (*modal, dim), seed)

    found = retrieval.match(text, motion)
    assert np.array_equal(found.hits.sum(0), z["topk_count"])
    assert found.matching_score == pytest.approx(float(z["matching_score"]), rel=2e-6)
    assert found.distance_sum == pytest.approx(z["batch_trace"], rel=2e-6)
    assert metrics.frechet_distance(real, motion) == pytest.approx(float(z["fid"]), rel=1e-6)
    state = np.random.RandomState(seed)
    assert metrics.diversity(motion, 300, state) == pytest.approx(float(z["diversity"]), rel=2e-6)
    state = np.random.RandomState(seed + 1)
    assert metrics.multimodality(many, 10, state) == pytest.approx(
        float(z["multimodality"]), rel=2e-6
    )
    for column in range(3):
        interval = metrics.confidence_interval(z["rep_values"][:, column])
        assert interval.mean == pytest.approx(z["rep_mean"][column], rel=1e-12)
        assert interval.high - interval.mean == pytest.approx(z["rep_ci"][column], rel=1e-9)


def test_tmr_ranks_and_tables() -> None:
    z, golden = arrays("tmr_retrieval"), numbers("tmr_retrieval")
    similarity = retrieval.cosine(z["text"], z["motion"])
    assert similarity == pytest.approx(z["sim"], abs=1e-12)
    assert np.array_equal(retrieval.ranks(similarity), z["rank_t2m"])
    assert np.array_equal(retrieval.ranks(similarity.T), z["rank_m2t"])
    assert np.array_equal(retrieval.ranks(z["sim_with_ties"]), z["rank_t2m_ties"])
    assert np.array_equal(retrieval.ranks(z["sim_with_ties"].T), z["rank_m2t_ties"])
    alike = retrieval.cosine(z["sent_emb"], z["sent_emb"]) > 2 * 0.95 - 1
    assert np.array_equal(retrieval.ranks(similarity, alike), z["rank_t2m_threshold"])
    assert np.array_equal(retrieval.ranks(similarity.T, alike), z["rank_m2t_threshold"])
    for side, sim in (("t2m", similarity), ("m2t", similarity.T)):
        table = retrieval.retrieval_table(retrieval.ranks(sim))
        for key, value in table.items():
            assert value == pytest.approx(golden["normal"][f"{side}/{key}"], abs=0.0051)


def test_tmr_guo_protocol() -> None:
    z, golden = arrays("tmr_retrieval"), numbers("tmr_retrieval")["guo"]
    groups = z["guo_permutation"].reshape(-1, 32)
    tables = []
    for group in groups:
        sim = z["sim"][np.ix_(group, group)]
        tables.append(retrieval.retrieval_table(retrieval.ranks(sim)))
    for key in tables[0]:
        mean = np.mean([table[key] for table in tables])
        assert mean == pytest.approx(golden[f"t2m/{key}"], abs=0.0051)


def test_tmr_score_and_frechet_distance() -> None:
    z = arrays("tmr_score_fd")
    score = metrics.tmr_score(z["pred"], z["gallery"]).mean()
    assert score == pytest.approx(float(z["tmr_score"]), abs=1e-12)

    def unit(x: np.ndarray) -> np.ndarray:
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    assert metrics.frechet_distance(unit(z["gallery"]), unit(z["pred"])) == pytest.approx(
        float(z["fd_normalised"]), abs=1e-8
    )
    assert metrics.frechet_distance(z["gallery"], z["pred"]) == pytest.approx(
        float(z["fd_raw"]), rel=1e-8
    )


def test_bad_embeddings_are_named() -> None:
    good = np.random.default_rng(0).normal(size=(40, 8))
    bad = good.copy()
    bad[7] = np.nan
    with pytest.raises(FormatError, match="row 7"):
        metrics.frechet_distance(good, bad)
    with pytest.raises(FormatError, match="N >= 32"):
        metrics.r_precision(good[:20], good[:20])
    with pytest.raises(FormatError, match="pair"):
        metrics.r_precision(good, good[:39])
    with pytest.raises(FormatError, match="dimensions"):
        metrics.frechet_distance(good, good[:, :5])
    with pytest.raises(FormatError, match="N >= 6"):
        metrics.prdc(good[:5], good)


def test_a_bootstrap_covers_the_mean() -> None:
    x = np.random.default_rng(1).normal(3.0, 1.0, 200)
    found = metrics.bootstrap(lambda rows: float(x[rows].mean()), len(x))
    assert found.low < x.mean() < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 / np.sqrt(200), rel=0.2)
    assert distribution.euclidean(x[:, None], x[:, None]).diagonal().max() == 0.0

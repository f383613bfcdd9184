"""Metrics by name, pure numpy and scipy."""

from __future__ import annotations

from .distribution import frechet_distance, prdc
from .intervals import bootstrap, confidence_interval
from .physical import physical_metrics
from .retrieval import (
    diversity,
    matching_score,
    multimodality,
    r_precision,
    ranks,
    retrieval_table,
    tmr_score,
)

__all__ = [
    "bootstrap",
    "confidence_interval",
    "diversity",
    "frechet_distance",
    "matching_score",
    "multimodality",
    "physical_metrics",
    "prdc",
    "r_precision",
    "ranks",
    "retrieval_table",
    "tmr_score",
]

"""Metrics by name, pure numpy."""

from __future__ import annotations

from .physical import physical_metrics

__all__ = ["physical_metrics"]

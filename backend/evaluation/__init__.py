"""Measures of motion, and the protocols that make them comparable."""

from __future__ import annotations

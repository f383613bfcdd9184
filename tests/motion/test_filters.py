"""Filters without scipy, which Blender's Python lacks."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from backend.motion.filters import gaussian_filter1d


@pytest.mark.parametrize("mode", ["reflect", "nearest", "mirror"])
@pytest.mark.parametrize(("frames", "sigma"), [(40, 2.0), (5, 3.0), (1, 0.6)])
def test_the_gaussian_is_scipys(
    monkeypatch: pytest.MonkeyPatch, mode: str, frames: int, sigma: float
) -> None:
    if mode == "mirror" and frames == 1:
        pytest.skip("a mirror needs two")
    x = np.random.default_rng(0).normal(size=(frames, 3))
    known = gaussian_filter1d(x, sigma, axis=0, mode=mode)
    monkeypatch.setitem(sys.modules, "scipy", None)
    np.testing.assert_allclose(gaussian_filter1d(x, sigma, axis=0, mode=mode), known, atol=1e-12)

"""Motion files: npz (AMASS superset), BVH; every file appears whole or not at all."""

from __future__ import annotations

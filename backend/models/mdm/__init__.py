"""Networks of MDM (Tevet et al. 2023) and the reader of its releases."""

from __future__ import annotations

from .release import load_upstream as load_upstream

"""Work on many files: deterministic plans, pure functions per file, restart after a kill."""

from __future__ import annotations

"""Motion representations: one module each with its spec, encode and decode (numpy in and out)."""

from __future__ import annotations

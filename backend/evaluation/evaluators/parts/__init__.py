"""What evaluators are made of: their networks, and what several of them share."""

from __future__ import annotations

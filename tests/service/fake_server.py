"""The real stdio server with the fake pipelines registered; started by the tests."""

from __future__ import annotations

import logging
import sys

import fake_pipeline

from backend.service.engine import Engine
from backend.service.server import serve_stdio

if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    fake_pipeline.register_all()
    serve_stdio(Engine)

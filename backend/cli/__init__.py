"""The ``kinetype`` command: one module per sub-command.

A command module offers ``HELP`` (one line), ``add_arguments(parser)`` and ``run(options) -> int``
(the exit code). Its top-level imports stay light, so that ``kinetype --help`` answers at once:
torch, transformers and the pipelines are imported inside ``run``. Errors are raised as
:class:`backend.errors.KinetypeError`; ``main`` prints them and picks the exit code.
"""

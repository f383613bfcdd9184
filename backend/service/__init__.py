"""Generation as a service: the engine (load once, run, cancel), its job queue and its server."""

"""What lies on disk: model folders, checkpoints, configuration files."""

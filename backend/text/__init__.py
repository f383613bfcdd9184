"""Text encoders behind ``encode(list[str])``, each imported on use."""

"""The contract between backend and add-on: standard library and numpy only."""

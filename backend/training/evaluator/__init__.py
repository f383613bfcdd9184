"""Training of the bundled evaluator (TMR-style)."""

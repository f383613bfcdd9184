"""A classifier that learns from real clips which action a motion shows."""

"""Training of the action-conditioned MDM."""

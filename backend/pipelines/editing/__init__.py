"""Edits and continuations, with any pipeline that declares an edit space."""

"""Scores: of models, of other systems' estimates, of listeners."""

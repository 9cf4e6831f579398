"""Scores: arrays in, numbers out; one module per task."""

"""Runs on disk: their catalogue, scores, data and processes."""

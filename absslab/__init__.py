"""Separate and detect sounds with models trained on weak labels."""

__version__ = "0.1.0"

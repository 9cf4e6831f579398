"""The version of the package; checkpoints and scores name it."""

__version__ = "0.1.0"

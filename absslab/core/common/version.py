"""The version of the package, which checkpoints and scores name."""

__version__ = "0.1.0"

"""Data: recordings, splits, mixtures, folders, labels."""

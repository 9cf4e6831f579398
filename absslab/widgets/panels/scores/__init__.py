"""The panel of scores."""

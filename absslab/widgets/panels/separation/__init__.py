"""The panel that separates recordings."""

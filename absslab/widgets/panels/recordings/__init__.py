"""The panel of isolated recordings."""

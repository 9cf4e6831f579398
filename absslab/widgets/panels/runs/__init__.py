"""The panel that compares runs."""

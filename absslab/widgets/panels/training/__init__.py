"""The panel that starts and follows trainings."""

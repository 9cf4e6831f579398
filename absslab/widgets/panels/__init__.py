"""The panels of the workbench, a folder per activity."""

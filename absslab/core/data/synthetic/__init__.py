"""The built-in recordings, synthesised from a seed."""

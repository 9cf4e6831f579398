"""The multitrack player."""

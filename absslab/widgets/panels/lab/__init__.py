"""Laboratories: front ends, poolings and models side by side."""

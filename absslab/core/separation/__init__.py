"""Separation and detection with a trained model."""

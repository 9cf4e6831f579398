"""The panel of mixtures."""

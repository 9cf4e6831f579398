"""Panels, dashboards and the player for notebooks; all computation is in `absslab.core`."""

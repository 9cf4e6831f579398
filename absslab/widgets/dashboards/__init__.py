"""Dashboards for visitors: the Voila server, its limits, and its pages."""

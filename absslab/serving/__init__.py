"""Dashboards for those who never see code: a Voila server with limits, and what its kernels know of it."""

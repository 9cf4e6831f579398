"""The pages of the dashboards, a file per page."""

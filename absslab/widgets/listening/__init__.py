"""What several panels and dashboards share to let people see and hear results."""

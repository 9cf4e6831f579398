"""Arrays and tables as matplotlib figures and HTML tables."""

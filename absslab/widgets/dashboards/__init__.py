"""Pages for those who never see code; each is the one thing that a dashboard shows."""

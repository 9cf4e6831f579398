"""What one sees and hears; nothing here computes what the core computes."""

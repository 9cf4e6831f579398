"""Training: losses, augmentation, schedules, the trainer and its run directory."""

"""Sound: files, transforms, loudness."""

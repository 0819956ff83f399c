"""Notes, tags and the archive."""

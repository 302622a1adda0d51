"""Checkpoint files without torch: read, list, compare, rewrite."""

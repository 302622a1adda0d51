"""Checkpoint files, read and rewritten without torch."""

"""From a planned change to text edits, and from text edits to files."""

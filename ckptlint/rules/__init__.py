"""The rules: one module and one class each, found by being there (see `base`)."""

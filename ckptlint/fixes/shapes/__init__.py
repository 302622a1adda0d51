"""The shapes of fixes: each takes places and source text, and gives the edits that mend one thing.

Every shape was run on torch; `tests/fixes/test_shapes_run.py` runs them all.
"""

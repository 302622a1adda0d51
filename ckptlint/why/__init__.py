"""`ckptlint why`: from the text of an error to what happened and what to do."""

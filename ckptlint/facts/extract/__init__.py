"""From libcst to the picture of a file: the only room below the fixes that knows libcst."""

"""The project, run over abstract values: what happens to modules, state dicts and files (begin with `solve`)."""

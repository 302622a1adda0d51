"""The project as Python sees it: modules by name, and who calls what."""

"""The command. One module a verb; `dispatch` finds the verb and runs it.

A verb module has two functions, and nothing of it is imported before the verb is asked for:

    def add_arguments(parser: argparse.ArgumentParser) -> None    # the docstring of the module is the help text
    def run(args: argparse.Namespace) -> int                      # the exit code; raise Failure for exit 2
"""

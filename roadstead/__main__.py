"""`python -m roadstead` is the command line."""

from roadstead.cli.main import run

run()

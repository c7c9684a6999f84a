"""Runs the command line as `python -m paretune`."""

from paretune.search.cli import main

main()

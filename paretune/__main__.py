"""Lets `python -m paretune` run the command line."""

from paretune.search.cli import main

main()

"""Paretune searches a network's architecture, compression and training together.

Its three subpackages are relative links to folders of the repository: `paretune.spaces` (what a
search can change), `paretune.objectives` (what it measures) and `paretune.search` (the engine and
the command line).
"""

__version__ = "0.1.0"

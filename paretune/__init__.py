"""Paretune searches a network's architecture, compression and training together.

The three rooms are relative links into the repository: `paretune.spaces` (what may change),
`paretune.objectives` (what is measured) and `paretune.search` (the engine).
"""

__version__ = "0.1.0"

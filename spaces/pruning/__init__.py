"""Pruning techniques: ways to remove parts of a trained network."""

from paretune.spaces.table import Table

PRUNINGS = Table(
    "pruning",
    {
        "none": "paretune.spaces.pruning.none:NoPruning",
        "structured": "paretune.spaces.pruning.structured:Structured",
        "depth": "paretune.spaces.pruning.depth:Depth",
        "unstructured": "paretune.spaces.pruning.unstructured:Unstructured",
        "semi_structured": "paretune.spaces.pruning.semi_structured:SemiStructured",
    },
)

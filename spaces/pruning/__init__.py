"""Ways to remove parts of a trained network."""

from spaces.table import Table

PRUNINGS = Table(
    "pruning",
    {
        "none": "spaces.pruning.none:NoPruning",
        "structured": "spaces.pruning.structured:Structured",
        "depth": "spaces.pruning.depth:Depth",
        "unstructured": "spaces.pruning.unstructured:Unstructured",
        "semi_structured": "spaces.pruning.semi_structured:SemiStructured",
    },
)

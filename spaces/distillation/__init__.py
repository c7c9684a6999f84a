"""Losses that let a candidate learn from a teacher."""

from spaces.table import Table

DISTILLATIONS = Table(
    "distillation",
    {
        "none": "spaces.distillation.none:NoDistillation",
        "logits": "spaces.distillation.logits:Logits",
    },
)

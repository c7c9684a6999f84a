"""Losses that let a candidate learn from a teacher."""

from spaces.table import Table

DISTILLATIONS = Table(
    "distillation",
    {
        "none": "spaces.distillation.none:NoDistillation",
        "logits": "spaces.distillation.logits:Logits",
        "hints": "spaces.distillation.hints:Hints",
        "attention": "spaces.distillation.attention:Attention",
        "decoupled": "spaces.distillation.decoupled:Decoupled",
    },
)

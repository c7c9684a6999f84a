"""Distillations: losses with which a candidate learns from a teacher."""

from paretune.spaces.table import Table

DISTILLATIONS = Table(
    "distillation",
    {
        "none": "paretune.spaces.distillation.none:NoDistillation",
        "logits": "paretune.spaces.distillation.logits:Logits",
        "hints": "paretune.spaces.distillation.hints:Hints",
        "attention": "paretune.spaces.distillation.attention:AttentionTransfer",
        "decoupled": "paretune.spaces.distillation.decoupled:Decoupled",
    },
)

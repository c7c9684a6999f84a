"""How networks are trained: optimizers, schedules, recipes and the one loop."""

from spaces.table import Table

OPTIMIZERS = Table(
    "optimizer",
    {
        "sgd": "spaces.training.sgd:Sgd",
        "adam": "spaces.training.adam:Adam",
        "adamw": "spaces.training.adam:AdamW",
    },
)

SCHEDULES = Table(
    "schedule",
    {
        "constant": "spaces.training.schedules:Constant",
        "step": "spaces.training.schedules:StepDecay",
        "cosine": "spaces.training.schedules:Cosine",
        "one_cycle": "spaces.training.schedules:OneCycle",
    },
)

"""How networks are trained: optimizers, schedules, recipes and the one loop."""

from spaces.table import Table

OPTIMIZERS = Table(
    "optimizer",
    {
        "sgd": "spaces.training.sgd:Sgd",
        "adam": "spaces.training.adam:Adam",
        "adamw": "spaces.training.adam:AdamW",
        "rmsprop": "spaces.training.rmsprop:RmsProp",
        "adagrad": "spaces.training.adagrad:Adagrad",
    },
)

SCHEDULES = Table(
    "schedule",
    {
        "constant": "spaces.training.schedules:Constant",
        "step": "spaces.training.schedules:StepDecay",
        "cosine": "spaces.training.schedules:Cosine",
        "polynomial": "spaces.training.schedules:Polynomial",
        "exponential": "spaces.training.schedules:Exponential",
        "one_cycle": "spaces.training.schedules:OneCycle",
    },
)

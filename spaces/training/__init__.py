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
        "lion": "spaces.training.lion:Lion",
        "torch": "spaces.training.torch_optim:Torch",
    },
)

SCHEDULES = Table(
    "schedule",
    {
        "constant": "spaces.training.schedules:Constant",
        "step": "spaces.training.schedules:StepDecay",
        "multi_step": "spaces.training.schedules:MultiStep",
        "cosine": "spaces.training.cosine:Cosine",
        "cosine_restarts": "spaces.training.cosine:CosineRestarts",
        "polynomial": "spaces.training.schedules:Polynomial",
        "exponential": "spaces.training.schedules:Exponential",
        "one_cycle": "spaces.training.cosine:OneCycle",
        "plateau": "spaces.training.plateau:Plateau",
    },
)

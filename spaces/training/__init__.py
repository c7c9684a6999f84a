"""Training of networks: optimizers, learning-rate schedules, recipes and the one loop."""

from paretune.spaces.table import Table

OPTIMIZERS = Table(
    "optimizer",
    {
        "sgd": "paretune.spaces.training.sgd:Sgd",
        "adam": "paretune.spaces.training.adam:Adam",
        "adamw": "paretune.spaces.training.adam:AdamW",
        "rmsprop": "paretune.spaces.training.rmsprop:RmsProp",
        "adagrad": "paretune.spaces.training.adagrad:Adagrad",
        "lion": "paretune.spaces.training.lion:Lion",
        "torch": "paretune.spaces.training.torch_optim:TorchOptimizer",
    },
)

SCHEDULES = Table(
    "schedule",
    {
        "constant": "paretune.spaces.training.schedules:Constant",
        "step": "paretune.spaces.training.schedules:StepDecay",
        "multi_step": "paretune.spaces.training.schedules:MultiStep",
        "cosine": "paretune.spaces.training.cosine:Cosine",
        "cosine_restarts": "paretune.spaces.training.cosine:CosineRestarts",
        "polynomial": "paretune.spaces.training.schedules:Polynomial",
        "exponential": "paretune.spaces.training.schedules:Exponential",
        "one_cycle": "paretune.spaces.training.cosine:OneCycle",
        "plateau": "paretune.spaces.training.plateau:Plateau",
    },
)

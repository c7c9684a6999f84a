"""Objectives, which measure a deployed artifact, and the runtimes that it is deployed to."""

OBJECTIVES: dict[str, str] = {
    "accuracy": "paretune.objectives.accuracy:Accuracy",
    "latency": "paretune.objectives.latency:Latency",
    "throughput": "paretune.objectives.throughput:Throughput",
    "size": "paretune.objectives.size:Size",
    "parameters": "paretune.objectives.parameters:Parameters",
    "macs": "paretune.objectives.macs:Macs",
    "activations": "paretune.objectives.activations:Activations",
    "memory": "paretune.objectives.memory:Memory",
    "energy": "paretune.objectives.energy:Energy",
    "training_time": "paretune.objectives.training_time:TrainingTime",
}

SCORE = "score"
"""The objective that measures all scores of a task. No study names it: each score has a name."""

TASK_SCORE = "paretune.objectives.score:TaskScore"
"""Its class."""

"""What is measured on a deployed artifact, and the runtimes it is deployed to."""

OBJECTIVES: dict[str, str] = {
    "accuracy": "objectives.accuracy:Accuracy",
    "latency": "objectives.latency:Latency",
    "throughput": "objectives.throughput:Throughput",
    "size": "objectives.size:Size",
    "parameters": "objectives.parameters:Parameters",
    "macs": "objectives.macs:Macs",
    "activations": "objectives.activations:Activations",
    "memory": "objectives.memory:Memory",
    "energy": "objectives.energy:Energy",
    "training_time": "objectives.training_time:TrainingTime",
}

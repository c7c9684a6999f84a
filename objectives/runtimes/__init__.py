"""The runtimes an artifact can be deployed to: name -> place of the class."""

RUNTIMES: dict[str, str] = {
    "onnxruntime": "objectives.runtimes.onnxruntime:OnnxRuntime",
    "torchscript": "objectives.runtimes.torchscript:TorchScript",
    "torch_export": "objectives.runtimes.torch_export:TorchExport",
}

"""The runtimes an artifact can be deployed to: name -> place of the class."""

RUNTIMES: dict[str, str] = {
    "onnxruntime": "objectives.runtimes.onnxruntime:OnnxRuntime",
    "executorch": "objectives.runtimes.executorch:ExecuTorch",
    "litert": "objectives.runtimes.litert:LiteRt",
    "openvino": "objectives.runtimes.openvino:OpenVino",
    "tensorrt": "objectives.runtimes.tensorrt:TensorRt",
    "torch": "objectives.runtimes.torch:Torch",
    "torch_compile": "objectives.runtimes.torch_compile:TorchCompile",
    "torchscript": "objectives.runtimes.torchscript:TorchScript",
    "torch_export": "objectives.runtimes.torch_export:TorchExport",
}

"""The runtimes that an artifact can be deployed to: name -> dotted path of the class."""

RUNTIMES: dict[str, str] = {
    "onnxruntime": "paretune.objectives.runtimes.onnxruntime:OnnxRuntime",
    "executorch": "paretune.objectives.runtimes.executorch:ExecuTorch",
    "litert": "paretune.objectives.runtimes.litert:LiteRt",
    "mnn": "paretune.objectives.runtimes.mnn:Mnn",
    "ncnn": "paretune.objectives.runtimes.ncnn:Ncnn",
    "openvino": "paretune.objectives.runtimes.openvino:OpenVino",
    "tensorrt": "paretune.objectives.runtimes.tensorrt:TensorRt",
    "torch": "paretune.objectives.runtimes.torch:Torch",
    "torch_compile": "paretune.objectives.runtimes.torch_compile:TorchCompile",
    "torchscript": "paretune.objectives.runtimes.torchscript:TorchScript",
    "torch_export": "paretune.objectives.runtimes.torch_export:TorchExport",
}

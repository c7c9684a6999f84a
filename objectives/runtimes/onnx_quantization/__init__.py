"""Quantizes .onnx files: one file for each mode, and what the modes share."""

MODES = ("dynamic", "static", "qat", "float16", "bfloat16", "weight_only")
"""Quantization modes that ONNX Runtime can deploy."""

"""Quantization of .onnx files: one file for each mode, and what they share."""

MODES = ("dynamic", "static", "qat", "float16", "bfloat16", "weight_only")
"""The modes that ONNX Runtime can deploy."""

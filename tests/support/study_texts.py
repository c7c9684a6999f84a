"""Study files as text."""

TINY = """\
study: tiny
data: digits
baseline:
  architecture: {simple_cnn: {width: 0.25}}
  pretrain: {optimizer: {adam: {lr: 2e-3}}, epochs: 1, batch_size: 64}
space:
  architecture: {simple_cnn: {width: {choice: [0.0625, 0.125]}}}
  pruning: {choice: {none: {}, structured: {ratio: {float: [0.1, 0.5]}}}}
  quantization: {choice: [none, dynamic]}
  finetune:
    {epochs: 1, batch_size: 64, optimizer: {adam: {lr: {float: [1e-3, 1e-2], log: true}}}}
objectives: {accuracy: maximize, latency: {minimize: p50, seconds: 0.1}, size: minimize}
goals: ["size <= 0.2 x baseline"]
search: {trials: 6, seed: 1, format_variants: false}
"""
"""A study file whose run takes seconds."""

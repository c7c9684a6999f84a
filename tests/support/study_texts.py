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
"""A study file that runs in seconds."""

SMALL = """\
study: small
data: digits
baseline:
  architecture: simple_cnn
  pretrain: {epochs: 2, optimizer: {adam: {lr: 1e-3}}}
space:
  architecture:
    choice:
      simple_cnn: {width: {choice: [0.25, 0.5]}}
      separable_cnn: {width: {float: [0.5, 1.0], step: 0.25}}
  pruning:
    choice:
      none: {}
      structured: {ratio: {float: [0.1, 0.8]}, round_to: 4}
  distillation: none
  finetune:
    optimizer: {choice: {sgd: {lr: {float: [1e-3, 1e-1], log: true}}, adamw: {}}}
    epochs: {int: [1, 4]}
  quantization: {choice: [none, dynamic]}
runtime: onnxruntime
objectives:
  accuracy: maximize
  latency: {minimize: p50, batch: 4}
  size: minimize
constraints:
  - accuracy >= baseline - 3%
goals: ["size <= 20 KB"]
search: {sampler: random, seed: 7}
budget: {trials: 10, time: 1h}
"""
"""A study file with all the usual sections, for tests of loading and of mistakes."""

TAUGHT = """\
data: digits
baseline: {architecture: {simple_cnn: {width: 0.5}}, pretrain: {epochs: 2}}
teachers:
  big: {architecture: {simple_cnn: {width: 2.0}}, pretrain: {epochs: 3}}
  mine: {architecture: {resnet: {width: 8}}, checkpoint: weights.safetensors}
  both: {average: [baseline, big]}
  all: {average: [both, mine]}
space:
  architecture: {simple_cnn: {width: 0.25}}
  distillation: {logits: {teacher: {choice: [baseline, big, all]}}}
  finetune: {epochs: 1}
objectives: {accuracy: maximize}
"""
"""A study file with teachers, two of which are averages."""

TWO_TARGETS = """\
study: two
data: digits
baseline:
  architecture: {simple_cnn: {width: 0.125}}
  pretrain: {optimizer: {adam: {lr: 2e-3}}, epochs: 1, batch_size: 64}
space:
  architecture: {simple_cnn: {width: {choice: [0.0625, 0.125]}}}
  quantization: dynamic
targets: {a: {onnxruntime: {threads: 1}}, b: {torchscript: {}}}
objectives:
  accuracy: maximize
  latency: {minimize: p50, seconds: 0.1, references: false}
  latency@b: {minimize: p50, seconds: 0.1, references: false}
  size: minimize
constraints: ["size@b <= 1 MB", "accuracy >= 1%", "parameters <= 1 M"]
goals: ["size <= 0.9 x baseline"]
search: {trials: 1, sampler: random}
"""
"""A study file with two targets; torchscript has no dynamic int8."""

TRAINER = """\
study: mine
evaluate: "MODULE:evaluate"
cheap: "MODULE:cheap"
space:
  width: {int: [1, 64], log: true}
  lr: {float: [1e-3, 1.0], log: true}
  optimizer: {choice: {sgd: {momentum: {float: [0, 0.9]}}, adam: {}}}
  steps: 3
objectives: {error: {minimize: fraction}, latency: {minimize: ms, worst: 8}}
quantities: {memory: bytes}
constraints: ["memory <= 50 KB", "error <= 60%"]
goals: ["latency <= 3 ms"]
search: {sampler: random, trials: 12, seed: 3}
"""
"""A study file with the user's own trainer, in the module MODULE."""

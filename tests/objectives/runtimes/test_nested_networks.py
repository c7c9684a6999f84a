"""Every runtime runs networks with inputs and outputs of every form, as torch runs them."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from paretune.inputs import Input, Signature, call, signature_of
from paretune.nests import Nest, form_of, leaves, mapped
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.predictor import Predictor
from paretune.objectives.runtimes import RUNTIMES
from paretune.objectives.runtimes.base import Artifact, standalone_code
from paretune.objectives.runtimes.flat_module import FlatModule
from paretune.objectives.runtimes.onnx_names import restore_names
from paretune.objectives.runtimes.onnxruntime import OPSET, OnnxRuntime
from paretune.objectives.runtimes.varied_sizes import resized
from support.nested_networks import CASES, VARIED, NestedCase

HEAVY = ("executorch", "litert", "mnn", "ncnn", "openvino", "tensorrt", "torch_compile")
"""Runtimes that need an extra or a compiler."""

FIXED_SIZES = ("executorch", "litert", "ncnn", "tensorrt")
"""Runtimes whose files have inputs of one size."""

STATIC = {"static": {"images": 64, "calibration": "minmax", "per_channel": True}}
DYNAMIC = {"dynamic": {"per_channel": False}}


def runtime(name: str) -> Any:
    module, _, attribute = RUNTIMES[name].partition(":")
    return getattr(import_module(module), attribute)


def here(names: Any = tuple(RUNTIMES), slow: tuple[str, ...] = ("torch",)) -> Any:
    """Parametrizes a test by the runtimes that work here; `torch` runs torch_export's programs."""
    values = []
    for name in names:
        marks = [pytest.mark.heavy] if name in HEAVY else []
        marks += [pytest.mark.slow] if name in slow else []
        reason = runtime(name).unavailable()
        marks += [pytest.mark.skip(reason=reason)] if reason else []
        values.append(pytest.param(name, marks=marks))
    return pytest.mark.parametrize("name", values)


def expected_of(model: nn.Module, inputs: Nest) -> Nest:
    """Returns the network's outputs as arrays."""
    with torch.inference_mode():
        outputs = call(model, mapped(inputs, lambda x: torch.from_numpy(x.copy())))
    return mapped(outputs, lambda x: x.numpy())


def deployed(
    name: str, case: NestedCase, folder: Path, **more: Any
) -> tuple[nn.Module, Artifact, Predictor]:
    entry, model = runtime(name), case.network()
    artifact = entry.export(model, case.shape, folder / f"net{entry.suffix}", **more)
    session = entry.load(artifact.path, entry.Params())
    return model, artifact, Predictor.of(session, case.shape, artifact)


def assert_same(outputs: Nest, expected: Nest, share: float = 1e-4) -> None:
    assert form_of(outputs) == form_of(expected)
    for output, wanted in zip(leaves(outputs), leaves(expected), strict=True):
        assert isinstance(output, np.ndarray)
        assert (output.shape, output.dtype) == (wanted.shape, wanted.dtype)
        assert np.abs(output - wanted).max() <= share * np.ptp(wanted)


@here()
@pytest.mark.parametrize("kind", CASES)
def test_file_gives_the_network_s_outputs_in_its_form(name: str, kind: str, tmp_path: Path) -> None:
    case = CASES[kind]
    model, artifact, predict = deployed(name, case, tmp_path)
    for batch in (1, 2, 7):
        inputs = case.inputs(batch, seed=batch)
        assert_same(predict(inputs), expected_of(model, inputs))
    form = form_of(expected_of(model, case.inputs(1)))
    assert artifact.info.get("outputs") == form
    assert ("outputs" in artifact.info) == (form is not None)


@here([name for name in RUNTIMES if name not in FIXED_SIZES])
@pytest.mark.parametrize("kind", VARIED)
def test_file_takes_every_size_of_a_dynamic_axis(name: str, kind: str, tmp_path: Path) -> None:
    case = VARIED[kind]
    model, _, predict = deployed(name, case, tmp_path)
    signature = signature_of(case.shape)
    for batch, size in ((1, 6), (3, 8), (2, 14)):
        sizes = {"height": size, "width": size + 4, "length": size}
        inputs = NestedCase(case.build, resized(signature, sizes)).inputs(batch)
        assert_same(predict(inputs), expected_of(model, inputs))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.heavy) for name in FIXED_SIZES]
)
def test_dynamic_axis_is_refused_where_files_have_one_size(name: str, tmp_path: Path) -> None:
    entry = runtime(name)
    if name != "tensorrt" and entry.unavailable():
        pytest.skip(entry.unavailable())
    case = VARIED["masks of any size"]
    reason = "the axis height of the input image is declared dynamic; declare a fixed size, or"
    with pytest.raises(Unmeasurable, match=reason):
        entry.export(case.network(), case.shape, tmp_path / "net")
    if hasattr(entry, "probe"):
        with pytest.raises(Unmeasurable, match=reason):
            entry.probe(case.network(), case.shape)


@pytest.mark.parametrize("kind", [*CASES, *VARIED])
def test_onnx_file_has_the_names_and_axes_of_the_signature(kind: str, tmp_path: Path) -> None:
    case = (CASES | VARIED)[kind]
    artifact = OnnxRuntime.export(case.network(), case.shape, tmp_path / "net.onnx")
    graph = onnx.load(str(artifact.path)).graph
    signature = signature_of(case.shape)
    assert tuple(value.name for value in graph.input) == signature.names
    assert tuple(value.name for value in graph.output) == case.outputs
    for value, each in zip(graph.input, signature.inputs, strict=True):
        dynamic = dict(each.dynamic)
        sizes = [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        assert sizes == ["batch", *(dynamic.get(i, size) for i, size in enumerate(each.shape))]
    for value in graph.output:
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch"
    if kind == "masks of any size":
        dims = graph.output[0].type.tensor_type.shape.dim
        assert [dim.dim_param or dim.dim_value for dim in dims] == ["batch", 2, "height", "width"]


@pytest.mark.filterwarnings("ignore")  # the exporter is deprecated
def test_wrapped_network_has_the_names_of_the_network_itself(tmp_path: Path) -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Conv2d(4, 4, 3, padding=1) for _ in range(2)])
            self.scale = nn.Parameter(torch.ones(4, 1, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for layer in self.layers:
                x = torch.relu(layer(x)) * self.scale + x
            return x

    for index, network in enumerate(
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(Residual(), nn.ReLU())), Residual())
    ):
        shape = (3, 8, 8) if index == 0 else (4, 8, 8)
        plain = OnnxRuntime.export(network.eval(), shape, tmp_path / f"{index}.onnx").path
        wrapped = tmp_path / f"{index}-wrapped.onnx"
        torch.onnx.export(
            FlatModule(network, signature_of(shape)).eval(),
            (torch.zeros(1, *shape),),
            str(wrapped),
            dynamo=False,
            opset_version=OPSET,
            input_names=["input"],
            output_names=["logits"],
            dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}},
        )
        restore_names(wrapped, signature_of(shape).inputs)
        first, second = (onnx.load(str(path)).graph for path in (plain, wrapped))
        assert [node.name for node in first.node] == [node.name for node in second.node]
        assert [t.name for t in first.initializer] == [t.name for t in second.initializer]
        assert first.node == second.node


@here([name for name in RUNTIMES if "static" in runtime(name).quantizations])
@pytest.mark.parametrize("kind", ["tuples", "dicts", "nested outputs", "tokens"])
def test_static_int8_takes_calibration_in_the_network_s_form(
    name: str, kind: str, tmp_path: Path
) -> None:
    if (name, kind) == ("openvino", "dicts"):
        pytest.skip("OpenVINO 2026.4 computes ReduceSum of 8-bit embeddings wrongly")
    # LiteRT's ranges are moving averages, which cut the extremes of a few outputs.
    allowed = 0.1 if name == "litert" else 0.02
    case = CASES[kind]
    model, artifact, predict = deployed(
        name,
        case,
        tmp_path,
        quantization=STATIC,
        calibration=iter([case.inputs(40, seed=1), case.inputs(24, seed=2)]),
    )
    inputs = case.inputs(20, seed=1)
    outputs, expected = predict(inputs), expected_of(model, inputs)
    assert form_of(outputs) == form_of(expected)
    for output, wanted in zip(leaves(outputs), leaves(expected), strict=True):
        assert np.abs(output - wanted).mean() < allowed * np.ptp(wanted)
    assert artifact.info["quantization"] == STATIC


@here([name for name in RUNTIMES if "dynamic" in runtime(name).quantizations])
@pytest.mark.parametrize("kind", ["tuples", "dicts"])
def test_dynamic_int8_takes_several_inputs(name: str, kind: str, tmp_path: Path) -> None:
    case = CASES[kind]
    model, _, predict = deployed(name, case, tmp_path, quantization=DYNAMIC)
    inputs = case.inputs(3)
    assert_same(predict(inputs), expected_of(model, inputs), share=0.1)


@pytest.mark.parametrize("method", ["minmax", "percentile", "entropy"])
def test_calibration_images_may_have_several_sizes(method: str, tmp_path: Path) -> None:
    case = VARIED["masks of any size"]
    signature = signature_of(case.shape)
    batches = [
        NestedCase(case.build, resized(signature, {"height": size, "width": 8})).inputs(3)
        for size in (8, 12, 10)
    ]
    quantization = {"static": {"images": 9, "calibration": method, "per_channel": True}}
    model, _, predict = deployed(
        "onnxruntime", case, tmp_path, quantization=quantization, calibration=iter(batches)
    )
    for inputs in batches:
        outputs, expected = predict(inputs)["mask"], expected_of(model, inputs)["mask"]
        assert np.abs(outputs - expected).mean() < 0.02 * np.ptp(expected)


@pytest.mark.parametrize("mode", ["float16", "bfloat16"])
def test_half_precision_file_has_several_outputs(mode: str, tmp_path: Path) -> None:
    case = CASES["nested outputs"]
    model, _, predict = deployed("onnxruntime", case, tmp_path, quantization={mode: {}})
    inputs = case.inputs(4)
    assert_same(predict(inputs), expected_of(model, inputs), share=0.02)


def test_weight_only_file_has_several_outputs(tmp_path: Path) -> None:
    case = CASES["nested outputs"]
    quantization = {"weight_only": {"bits": 8, "block": 16}}
    model, artifact, predict = deployed("onnxruntime", case, tmp_path, quantization=quantization)
    inputs = case.inputs(4)
    assert_same(predict(inputs), expected_of(model, inputs), share=0.05)
    assert artifact.info["layers"] == ["/boxes/Gemm", "/heads.0/Gemm", "/heads.1/Gemm"]


def test_kept_layer_of_a_network_with_several_inputs_stays_in_float(tmp_path: Path) -> None:
    case = CASES["tuples"]
    quantization = {"static": {**STATIC["static"], "kept": ["boxes"]}}
    _, artifact, _ = deployed(
        "onnxruntime",
        case,
        tmp_path,
        quantization=quantization,
        calibration=iter([case.inputs(4)]),
    )
    assert artifact.info["kept"] == ["boxes"]


@here(slow=("torch", "torchscript", "torch_export"))
def test_standalone_code_takes_an_array_for_each_input(name: str, tmp_path: Path) -> None:
    """One process loads the files of both kinds of inputs."""
    entry, code, expected = runtime(name), "import numpy as np\n", {}
    for kind in ("tuples", "dicts"):
        case, folder = CASES[kind], tmp_path / kind
        folder.mkdir()
        model, artifact, _ = deployed(name, case, folder)
        inputs = case.inputs(5)
        np.savez(folder / "x.npz", *signature_of(case.shape).flat(inputs))
        expected[kind] = leaves(expected_of(model, inputs))
        code += f"""
{standalone_code(entry, entry.Params(), case.shape, artifact.info)}
with np.load("{kind}/x.npz") as file:
    outputs = load({str(artifact.path)!r})(*(file[name] for name in file.files))
np.savez("{kind}/y.npz", *(outputs if isinstance(outputs, tuple) else [outputs]))
"""
    process = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True)
    assert process.returncode == 0, process.stderr.decode()
    for kind, wanted_outputs in expected.items():
        with np.load(tmp_path / kind / "y.npz") as file:
            outputs = [file[name] for name in file.files]
        for output, wanted in zip(outputs, wanted_outputs, strict=True):
            np.testing.assert_allclose(output, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", list(RUNTIMES))
def test_standalone_code_of_a_single_input_is_the_code_without_an_argument(name: str) -> None:
    entry = runtime(name)
    options = entry.Params()
    assert standalone_code(entry, options, (3, 8, 8), {}) == entry.standalone(options)
    several = standalone_code(entry, options, CASES["tuples"].shape, {})
    assert several != entry.standalone(options)
    compile(several, name, "exec")


def test_runtime_of_one_s_own_without_code_for_several_inputs_is_unmeasurable() -> None:
    class Own:
        name = "own"

        @staticmethod
        def standalone(options: Any) -> str:
            return "def load(path): ..."

    assert standalone_code(Own, None, (3, 8, 8), {}) == "def load(path): ..."
    with pytest.raises(Unmeasurable, match="own has no standalone code for several inputs"):
        standalone_code(Own, None, (3, 8, 8), {"outputs": {"tuple": [None, None]}})


# -- networks that no file can have ------------------------------------------------------------


class Returning(nn.Module):
    """Features [B, 4] -> whatever a function makes of them."""

    def __init__(self, make: Any) -> None:
        super().__init__()
        self.make = make

    def forward(self, x: torch.Tensor) -> Any:
        return self.make(x)


@pytest.mark.parametrize("name", ["onnxruntime", "torchscript", "torch_export"])
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda x: {"a": x, "b": "text"}, 'the network returns a str as "b"; return a tensor, or'),
        (lambda x: (x, 3), 'the network returns a int as "1"; return a tensor'),
        (lambda x: None, "the network returns a NoneType; return a tensor"),
        (lambda x: {}, "the network returns no tensor"),
        (lambda x: (x, x.sum()), r"the output output_1 has the shape \[\] for a batch of"),
        (lambda x: (x, torch.ones(5, 4)), r"output_1 has the shape \[5, 4\] .* must be the batch"),
        (lambda x: (x @ x.T, x), "output_0 has the shape .* the first axis of each output, and no"),
        (
            lambda x: [{"boxes": row} for row in x],
            "tensors for a batch of ., and . for one of . with",
        ),
    ],
    ids=["text", "number", "none", "empty", "scalar", "constant", "square", "list of examples"],
)
def test_outputs_that_are_no_batch_of_tensors_are_unmeasurable(
    name: str, make: Any, reason: str, tmp_path: Path
) -> None:
    entry = runtime(name)
    with pytest.raises(Unmeasurable, match=reason):
        entry.export(Returning(make), (4,), tmp_path / f"net{entry.suffix}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["onnxruntime", "torchscript", "torch_export"])
def test_axis_that_only_works_with_its_size_is_unmeasurable(name: str, tmp_path: Path) -> None:
    shape = Signature((Input("input", (4,), dynamic=((0, "width"),)),))
    entry = runtime(name)
    with pytest.raises(
        Unmeasurable,
        match=r"the axis width is declared dynamic, but the network runs with its size 4 only; "
        r"with 8: RuntimeError: .*mat1 and mat2",
    ):
        entry.export(nn.Linear(4, 2), shape, tmp_path / f"net{entry.suffix}")


def test_outputs_that_are_one_tensor_or_an_input_are_all_in_the_file(tmp_path: Path) -> None:
    model = Returning(lambda x: (x, x * 2, x, None))
    artifact = OnnxRuntime.export(model, (4,), tmp_path / "net.onnx")
    predict = Predictor.of(OnnxRuntime.load(artifact.path, OnnxRuntime.Params()), (4,), artifact)
    inputs = np.ones((3, 4), np.float32)
    first, second, third, nothing = predict(inputs)
    assert nothing is None
    assert np.array_equal(first, inputs) and np.array_equal(third, inputs)
    assert np.array_equal(second, 2 * inputs)


def test_output_may_have_the_name_of_an_input_or_of_a_weight(tmp_path: Path) -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.full((4,), 3.0))

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"x": x + 1, "weight": x * self.weight, "a.b": x - 1, "1": x}

    shape = Signature((Input("x", (4,)),), "dict")
    artifact = OnnxRuntime.export(Named(), shape, tmp_path / "net.onnx")
    names = [value.name for value in onnx.load(str(artifact.path)).graph.output]
    assert names == ["x_output", "weight", "a_b", "output_1"]
    predict = Predictor.of(OnnxRuntime.load(artifact.path, OnnxRuntime.Params()), shape, artifact)
    outputs = predict(x=np.ones((2, 4), np.float32))
    assert {name: float(x[0, 0]) for name, x in outputs.items()} == {
        "x": 2.0, "weight": 3.0, "a.b": 0.0, "1": 1.0
    }  # fmt: skip

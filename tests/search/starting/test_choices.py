"""Facts -> sections of a study file, with their reasons."""

from __future__ import annotations

from typing import Any

import pytest

from paretune.search.starting.facts import ScoreFact, TriedOption, TriedRate
from paretune.search.starting.format_choice import format_choice
from paretune.search.starting.goal_choice import constraints_choice, goals_choice, latency_options
from paretune.search.starting.network_choice import architecture_choice, distillation_choice
from paretune.search.starting.pruning_choice import pruning_choice
from paretune.search.starting.ranges import rate_range, ratio_range, round_to_of
from paretune.search.starting.training_choice import augmentation_of, finetune_choice
from paretune.search.study.constraints import read_constraint
from support.start_facts import FACTS, PRUNINGS, SLOWER, facts, structured, tried, untrained


def left_out(choice: Any) -> str:
    """Returns the lines on what a choice leaves out."""
    return "\n".join(each.text for each in choice.left_out)


# -- pruning -------------------------------------------------------------------------------------


def test_pruning_offers_the_ratios_and_criteria_that_worked() -> None:
    choice = pruning_choice(FACTS)
    assert choice.value["choice"]["structured"] == {
        "ratio": {"float": [0.1, 0.8]},
        "criterion": {"choice": ["magnitude", "taylor"]},
        "round_to": 8,
    }
    reasons = {path[-1]: text for path, text in choice.comments.items()}
    assert "2.0x faster, 4.0x smaller" in reasons["structured"]
    assert reasons["ratio"] == "leaves 85 % to 5 % of the multiply-adds"


def test_criterion_that_was_refused_is_left_out() -> None:
    refused = tried("pruning", "structured", refusal="the loss is not finite",
                    params={"ratio": 0.5, "criterion": "taylor", "round_to": 8})  # fmt: skip
    choice = pruning_choice(facts(tried=(*PRUNINGS[:3], refused)))
    assert "criterion" not in choice.value["choice"]["structured"]
    assert "structured pruning by taylor: the loss is not finite" in left_out(choice)


def test_pruning_without_a_layer_is_left_out_with_the_reason() -> None:
    refused = tried("pruning", "structured", refusal="found no layer it can prune",
                    params={"ratio": 0.5, "round_to": 8})  # fmt: skip
    choice = pruning_choice(facts(tried=(refused,)))
    assert choice.value is None
    assert "structured pruning: found no layer it can prune" in left_out(choice)


def test_depth_pruning_is_offered_up_to_the_removable_blocks() -> None:
    every = tried("pruning", "depth", params={"share": 1.0}, facts={"removed": ["a", "b", "c"]})
    half = tried("pruning", "depth", params={"blocks": 1})
    choice = pruning_choice(facts(tried=(half, every)))
    assert choice.value["choice"]["depth"] == {"blocks": {"int": [1, 3]}}


def test_slower_depth_pruning_is_left_out() -> None:
    every = tried("pruning", "depth", params={"share": 1.0}, facts={"removed": ["a"]})
    half = tried("pruning", "depth", params={"blocks": 1}, **SLOWER)
    choice = pruning_choice(facts(tried=(half, every)))
    assert choice.value is None and "depth pruning: takes 1.50x the time" in left_out(choice)


def test_ratio_range_begins_where_pruning_removes_something() -> None:
    assert ratio_range([structured(0.1, 1.0), structured(0.2, 0.8), structured(0.8, 0.1)]) == (
        0.2,
        0.8,
    )
    assert ratio_range([structured(0.5, 1.0)]) is None


@pytest.mark.parametrize(
    ("units", "alignment", "expected"),
    [([64, 128], 16, 16), ([32, 32, 64], 16, 8), ([16, 24], 8, 4), ([4, 8], 8, 1), ([], 16, 8)],
)
def test_round_to_suits_the_runtime_and_narrow_layers(
    units: list[int], alignment: int, expected: int
) -> None:
    assert round_to_of(units, alignment) == expected


# -- number formats ------------------------------------------------------------------------------


def test_formats_that_were_slower_are_left_out_with_the_factor() -> None:
    choice = format_choice(FACTS)
    assert list(choice.value["choice"]) == ["none", "static"]
    assert "dynamic int8: takes 1.50x the time of the baseline when tried" in left_out(choice)
    assert choice.comments["choice", "static"] == (
        "2.0x faster, 4.0x smaller when tried; accuracy 97.00 % -> 96.80 %"
    )


def test_format_is_left_out_if_each_target_refuses_it_and_offered_if_one_takes_it() -> None:
    slow, fast = {"time": 1.5, "low": 1.45, "high": 1.55}, {"time": 0.5, "low": 0.4, "high": 0.6}
    on_pi = tried("quantization", "dynamic", target="pi", **slow)

    both = (on_pi, tried("quantization", "dynamic", target="server", **slow))
    assert "dynamic" not in (format_choice(facts(tried=both)).value or {}).get("choice", {})
    assert "dynamic int8: takes 1.50x the time" in left_out(format_choice(facts(tried=both)))

    one = (on_pi, tried("quantization", "dynamic", target="server", **fast))
    choice = format_choice(facts(tried=one))
    assert "dynamic" in choice.value["choice"]
    text = choice.comments["choice", "dynamic"]
    assert text.startswith("pi: takes 1.50x the time") and "; server: 2.0x faster" in text


CPU_ONLY: dict[str, Any] = {"facts": {"cpu_only": ["ConvInteger"]}}


def test_dynamic_int8_that_no_accelerator_runs_is_left_out_beside_static() -> None:
    options = (tried("quantization", "static"), tried("quantization", "dynamic", **CPU_ONLY))
    choice = format_choice(facts(tried=options))
    assert list(choice.value["choice"]) == ["none", "static"]
    assert (
        "dynamic int8: accelerators of phones lack its ConvInteger, and static int8 is as small "
        "and as fast"
    ) in left_out(choice)


@pytest.mark.parametrize(
    "options",
    [
        (tried("quantization", "dynamic", **CPU_ONLY),),
        (tried("quantization", "static"), tried("quantization", "dynamic")),
        (
            tried("quantization", "static"),
            tried("quantization", "dynamic", time=0.3, low=0.29, high=0.31, **CPU_ONLY),
        ),
    ],
    ids=["without static", "portable", "faster than static"],
)
def test_dynamic_int8_is_offered_where_static_does_not_replace_it(
    options: tuple[TriedOption, ...],
) -> None:
    assert "dynamic" in format_choice(facts(tried=options)).value["choice"]


def test_format_that_is_neither_faster_nor_smaller_is_left_out() -> None:
    same = tried("quantization", "float16", time=1.0, low=0.99, high=1.01, size=0.97)
    choice = format_choice(facts(tried=(same,)))
    assert choice.value is None and "neither faster nor smaller" in left_out(choice)


def test_refused_format_is_left_out_with_the_reason() -> None:
    refused = tried("quantization", "static", refusal="the operator Foo has no int8 kernel")
    assert "static int8: the operator Foo" in left_out(format_choice(facts(tried=(refused,))))


def test_formats_that_the_runtime_lacks_are_named() -> None:
    choice = format_choice(facts(tried=(), formats=("static",), runtimes={"": "executorch"}))
    assert "executorch does not have them" in left_out(choice)


def test_lossy_static_int8_may_keep_layers_in_float_if_that_worked() -> None:
    lossy = tried("quantization", "static", score=0.90)
    remedy = tried("quantization", "static", params={"keep_float": 3}, score=0.96)
    assert format_choice(facts(tried=(lossy, remedy))).value["choice"]["static"] == {
        "keep_float": {"int": [0, 3]}
    }
    assert format_choice(facts(tried=(lossy,))).value["choice"]["static"] == {}


@pytest.mark.parametrize(("score", "offered"), [(0.969, False), (0.90, True)])
def test_qat_is_offered_if_static_int8_loses_accuracy(score: float, offered: bool) -> None:
    options = (tried("quantization", "static", score=score), tried("quantization", "qat"))
    assert ("qat" in format_choice(facts(tried=options)).value["choice"]) is offered


def test_ruined_format_is_left_out() -> None:
    ruined = tried("quantization", "weight_only", score=0.4)
    assert "accuracy 97.00 % -> 40.00 %" in left_out(format_choice(facts(tried=(ruined,))))


# -- networks ------------------------------------------------------------------------------------


def test_family_offers_the_widths_that_were_tried() -> None:
    assert architecture_choice(untrained()).value == {
        "simple_cnn": {"width": {"choice": [0.25, 0.5, 1.0]}}
    }


def test_trained_network_keeps_its_architecture() -> None:
    choice = architecture_choice(FACTS)
    assert choice.value is None and "trained from scratch" in left_out(choice)


def test_refused_distillation_is_left_out() -> None:
    refused = tried("distillation", "logits", refusal="needs classes")
    choice = distillation_choice(facts(tried=(refused,)))
    assert choice.value is None and "needs classes" in left_out(choice)


# -- training ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "augment"),
    [
        ({}, {"flip": True, "crop": 4}),
        ({"data": "digits"}, {"crop": 4}),
        ({"data": "torchvision", "data_name": "SVHN"}, {"crop": 4}),
        ({"class_names": ("0", "1", "2")}, {"crop": 4}),
        ({"class_names": ("turn_left", "turn_right")}, {"crop": 4}),
        ({"channels": 1}, {"crop": 4}),
        ({"targets": "values"}, {}),
        ({"targets": "boxes"}, {}),
        ({"targets": "mask", "data": "masks", "class_names": ("0", "1")},
         {"flip": True, "crop": 4}),
        ({"pixels": False}, {}),
        ({"own_task": True, "targets": None}, {}),
    ],
)  # fmt: skip
def test_augmentation_leaves_the_targets_true(
    changed: dict[str, Any], augment: dict[str, Any]
) -> None:
    assert augmentation_of(facts(**changed))[0] == augment


def test_finetune_searches_rates_around_the_best_one() -> None:
    recipe = finetune_choice(FACTS, 5, True)
    assert recipe.value["optimizer"] == {"adamw": {"lr": {"float": [3e-4, 3e-3], "log": True}}}
    assert recipe.value["epochs"] == 5 and recipe.value["batch_size"] == 32
    assert (
        "3e-3 gave the lowest loss of 3 rates tried (0.3); 0.01 diverged"
        in (recipe.comments["optimizer",])
    )


def test_finetune_leaves_the_batch_to_the_users_loader() -> None:
    assert "batch_size" not in finetune_choice(facts(loader_batch=64), 5, True).value


@pytest.mark.parametrize(
    ("losses", "trained", "expected"),
    [
        ([(1e-3, 0.1), (3e-3, 0.2)], True, (1e-4, 3e-3)),
        ([(1e-3, 0.1), (3e-3, 0.2)], False, (1e-4, 1e-3)),
        ([(1e-3, 0.1), (3e-3, None)], True, (1e-4, 1e-3)),
        ([], True, (1e-4, 3e-3)),
    ],
)
def test_rate_range_stays_below_what_diverged(
    losses: list[tuple[float, float | None]], trained: bool, expected: tuple[float, float]
) -> None:
    rates = [TriedRate(lr, loss) for lr, loss in losses]
    assert rate_range(rates, 1e-3, trained) == expected


# -- goals ---------------------------------------------------------------------------------------

UNITS = {"accuracy": "fraction", "rmse": "", "latency": "ms"}


@pytest.mark.parametrize(
    ("goal", "constraint"),
    [
        (None, "accuracy >= baseline - 5%"),
        ("latency <= 2 ms", "accuracy >= baseline - 5%"),
        ("accuracy >= baseline - 1%", "accuracy >= baseline - 3%"),
        ("accuracy >= 0.9", "accuracy >= 0.85"),
        ("accuracy >= 0.99 x baseline", "accuracy >= 0.97 x baseline"),
    ],
)
def test_constraint_is_wider_than_the_goal(goal: str | None, constraint: str) -> None:
    goals = [read_constraint(goal, UNITS)] if goal else []
    assert constraints_choice(FACTS, goals).value == [constraint]


def test_constraint_of_an_error_is_an_upper_bound() -> None:
    lower = facts(score=ScoreFact("rmse", "lower", ""))
    assert constraints_choice(lower, []).value == ["rmse <= 1.2 x baseline"]
    goal = read_constraint("rmse <= baseline + 5%", UNITS)
    assert constraints_choice(lower, [goal]).value == ["rmse <= 1.15 x baseline"]


def test_goals_are_the_users_or_usual_ones() -> None:
    goal = read_constraint("latency <= 2 ms", UNITS)
    assert goals_choice(FACTS, [goal]).value == ["latency <= 2 ms"]
    assert goals_choice(FACTS, []).value == [
        "accuracy >= baseline - 1%",
        "latency <= 0.5 x baseline",
    ]


def test_goal_that_the_baseline_meets_is_said() -> None:
    goals = [read_constraint(text, UNITS) for text in ("latency <= 2 ms", "accuracy >= 0.99")]
    assert goals_choice(FACTS, goals).comments[()] == "the baseline meets latency <= 2 ms already"


def test_latency_of_a_tiny_network_is_timed_in_batches_unless_a_goal_fixes_it() -> None:
    assert latency_options(0.01, False, ["onnxruntime"], False) == {"minimize": "p50", "batch": 32}
    assert latency_options(0.01, True, ["onnxruntime"], False) == "minimize"
    assert latency_options(0.01, False, ["litert"], False) == "minimize"
    assert latency_options(1.0, False, ["onnxruntime"], True) == {"minimize": "p50", "seconds": 1.0}

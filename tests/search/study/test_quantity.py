"""Names of quantities."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from paretune.objectives.base import ValueSpec
from paretune.objectives.latency import Latency
from paretune.objectives.macs import Macs
from paretune.search.study.quantity import (
    Quantity,
    depends_on_artifact,
    full_name,
    further_values,
    local_values,
    units,
)

USER_MODULE = '''\
"""A user's own objective with a further value."""

from paretune.objectives.base import ValueSpec, measurement
from paretune.objectives.params import Params as Base


class Noise:
    """Accuracy under noise."""

    name = "noise"
    unit = "fraction"
    better = "higher"
    cost = 3
    values = {"blur": ValueSpec("fraction", "higher", "under blur")}

    class Params(Base):
        """No options."""

    @staticmethod
    def measure(subject, params, part):
        return [measurement(Noise, 0.5), measurement(Noise, 0.25, further="blur")]


nothing = 3
'''


@pytest.fixture
def user_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "quantity_user.py").write_text(USER_MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "quantity_user", raising=False)
    return "quantity_user"


@pytest.mark.parametrize(
    ("name", "quantity"),
    [
        ("latency", Quantity("latency")),
        ("accuracy.balanced", Quantity("accuracy", "balanced")),
        ("latency@phone", Quantity("latency", None, "phone")),
        ("accuracy.top5@phone", Quantity("accuracy", "top5", "phone")),
        ("my.pkg:Cost", Quantity("my.pkg:Cost")),
        ("my.pkg:Cost.worst", Quantity("my.pkg:Cost", "worst")),
        ("my.pkg:Cost.worst@phone", Quantity("my.pkg:Cost", "worst", "phone")),
        ("map50", Quantity("score", "map50")),
        ("map50@phone", Quantity("score", "map50", "phone")),
        ("val/acc", Quantity("score", "val/acc")),
        ("box.map50", Quantity("score", "box.map50")),
        ("score", Quantity("score", "score")),
    ],
)
def test_name_is_read_and_written_back(name: str, quantity: Quantity) -> None:
    assert Quantity.of(name) == quantity
    assert quantity.name == name
    assert Quantity.of(quantity.at("b").name) == quantity.at("b")


def test_score_of_a_task_is_no_further_value() -> None:
    assert not Quantity.of("map50").further
    assert not Quantity.of("accuracy").further
    assert Quantity.of("accuracy.f1").further
    assert Quantity.of("map50@phone").local == "map50"


@pytest.mark.parametrize(
    ("name", "unit", "better"),
    [("map50", "fraction", "higher"), ("val_acc", "fraction", "higher"), ("rmse", "", "lower")],
)
def test_spec_of_a_well_known_score_has_its_unit(name: str, unit: str, better: str) -> None:
    spec = Quantity.of(name).spec()
    assert (spec.unit, spec.better) == (unit, better)
    assert depends_on_artifact(Quantity.of(name).entry())


def test_short_name_means_the_first_target_unless_it_is_a_full_name() -> None:
    names = {"latency@phone", "latency@server", "macs"}
    targets = ("phone", "server")
    assert full_name("latency", names, targets) == "latency@phone"
    assert full_name("latency@server", names, targets) == "latency@server"
    assert full_name("macs", names, targets) == "macs"
    assert full_name("latncy", names, targets) == "latncy"
    assert full_name("latency", {"latency"}, ()) == "latency"


def test_quantity_of_the_model_does_not_depend_on_the_artifact() -> None:
    assert depends_on_artifact(Latency)
    assert not depends_on_artifact(Macs)


def test_values_of_one_target_have_names_without_target() -> None:
    measured = {"latency@a": 1, "latency@b": 2, "accuracy.top5@b": 3, "macs": 4}
    assert local_values(measured, "b") == {"latency": 2, "accuracy.top5": 3, "macs": 4}
    assert local_values({"latency": 1, "macs": 4}, None) == {"latency": 1, "macs": 4}


def test_spec_of_an_objective_comes_from_its_class() -> None:
    spec = Quantity.of("latency").spec()
    assert (spec.unit, spec.better) == ("ms", "lower")
    assert spec.about.startswith("Milliseconds")


def test_spec_of_a_further_value_comes_from_the_users_class(user_module: str) -> None:
    name = f"{user_module}:Noise"
    assert Quantity.of(f"{name}.blur").spec() == ValueSpec("fraction", "higher", "under blur")
    assert Quantity.of(name).spec().about == "Accuracy under noise."


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("latenzy", 'unknown objective "latenzy"; did you mean "latency"?'),
        ("latenzy.p99", 'unknown objective "latenzy"; did you mean "latency"?'),
        ("size.compressed", 'size has one value only, no "compressed": write size'),
        (
            "quantity_user:Noise.blurr",
            'has no value "blurr"; did you mean "blur"? It has quantity_user:Noise.blur.',
        ),
        ("quantity_user:nothing", "is not an objective: it has no Params, unit or better"),
        ("quantity_user:None", "has no attribute 'None'"),
        ("no_such_module_of_mine:Noise", "No module named 'no_such_module_of_mine'"),
    ],
)
def test_unknown_quantity_is_refused_with_the_reason(
    name: str, text: str, user_module: str
) -> None:
    with pytest.raises(ValueError) as error:
        Quantity.of(name).spec()
    assert text in str(error.value)


def test_units_hold_every_objective_and_its_further_values() -> None:
    all_units = units()
    assert all_units["latency"] == "ms"
    for name, unit in all_units.items():
        quantity = Quantity.of(name)
        assert quantity.spec().unit == unit
        assert quantity.value is None or quantity.value in further_values(quantity.entry())

"""Recipes are the same after JSON, and refuse invalid values."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from paretune.spaces.table import Option
from paretune.spaces.training.adam import AdamParams
from paretune.spaces.training.recipe import Augment, Recipe
from paretune.spaces.training.warmup import WarmupParams

RECIPES = st.fixed_dictionaries(
    {"epochs": st.integers(0, 1000)},
    optional={
        "batch_size": st.integers(1, 512),
        "optimizer": st.sampled_from(["sgd", "adam", {"adamw": {"lr": 0.5}}, {"sgd": None}]),
        "schedule": st.sampled_from(["constant", {"cosine": {"warmup": 0.1}}, "one_cycle"]),
        "label_smoothing": st.floats(0, 0.99),
        "augment": st.fixed_dictionaries(
            {},
            optional={
                "flip": st.booleans(),
                "crop": st.integers(0, 64),
                "mixup": st.floats(0, 100),
                "randaugment": st.just({"operations": 2, "magnitude": 7.5}),
                "erase": st.floats(0, 1),
                "cutmix": st.floats(0, 100),
            },
        ),
        "amp": st.sampled_from(["auto", "off", "bfloat16", "float16"]),
        "channels_last": st.sampled_from(["auto", "on", "off"]),
        "accumulate": st.integers(1, 10),
        "compile": st.booleans(),
        "ema": st.one_of(st.none(), st.floats(0.01, 0.9999)),
        "freeze_epochs": st.integers(0, 10),
        "trunk_lr": st.floats(0.01, 1),
        "monitor": st.sampled_from(["training", "validation"]),
        "early_stop": st.fixed_dictionaries(
            {}, optional={"patience": st.integers(0, 9), "best": st.booleans()}
        ),
        "clip": st.one_of(st.none(), st.floats(0.01, 100)),
    },
)


@settings(deadline=None, max_examples=60)
@given(RECIPES)
def test_recipe_is_the_same_after_json(fields: dict[str, Any]) -> None:
    recipe = Recipe.model_validate(fields)
    text = json.dumps(recipe.to_json(), allow_nan=False)
    assert Recipe.model_validate(json.loads(text)) == recipe
    assert Recipe.model_validate(json.loads(text)).to_json() == recipe.to_json()


def test_recipe_has_the_documented_defaults() -> None:
    recipe = Recipe(epochs=3)
    assert recipe.optimizer == Option("adam", AdamParams())
    assert recipe.schedule == Option("constant", WarmupParams())
    assert recipe.augment == Augment() == Augment(flip=False, crop=0)
    assert recipe.to_json()["optimizer"] == {
        "adam": {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "weight_decay": 0.0}
    }


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "Field required"),
        ({"epochs": -1}, "greater than or equal to 0"),
        ({"epochs": 1.5}, "valid integer"),
        ({"epochs": True}, "valid integer"),
        ({"epochs": 1, "batch_size": 0}, "greater than or equal to 1"),
        ({"epochs": 1, "label_smoothing": 1.0}, "less than 1"),
        ({"epochs": 1, "clip": 0.0}, "greater than 0"),
        ({"epochs": 1, "accumulate": 0}, "greater than or equal to 1"),
        ({"epochs": 1, "trunk_lr": 0.0}, "greater than 0"),
        ({"epochs": 1, "monitor": "test"}, "'training' or 'validation'"),
        ({"epochs": 1, "early_stop": {"patience": -1}}, "greater than or equal to 0"),
        ({"epochs": 1, "augment": {"mixup": -0.1}}, "greater than or equal to 0"),
        ({"epochs": 1, "amp": "int8"}, "'auto', 'off', 'bfloat16' or 'float16'"),
        ({"epochs": 1, "augment": {"rotate": 3}}, "Extra inputs"),
        ({"epochs": 1, "schedule": "cosin"}, 'did you mean "cosine"'),
        ({"epochs": 1, "epoch": 1}, "Extra inputs"),
    ],
)
def test_recipe_refuses_invalid_values(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Recipe.model_validate(fields)

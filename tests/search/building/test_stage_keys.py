"""Keys of stages: what they depend on, and that older studies keep theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paretune.search.building.sources import may_name_sources, sources_of
from paretune.search.building.stage_keys import Chain, Link, SeedRepeat
from paretune.search.study.plan import Plan
from paretune.search.study.spec import canonical
from paretune.search.study.stage import Stage
from paretune.search.tasks.classification import classification
from paretune.search.user_code import add_import_folders
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.training.recipe import Recipe


def links(folder: Path = Path(), **recipe: Any) -> list[Link]:
    """Returns the stages of a plan with this recipe, and their keys."""
    plain = Recipe.model_validate({"epochs": 2, **recipe}).to_json()
    network = {"architecture": {"simple_cnn": {"width": 1.0}}, "checkpoint": None}
    plan = Plan(
        (
            Stage("pretrain", {**network, "recipe": plain}),
            Stage("finetune", {"recipe": {**plain, "epochs": 3}, "distillation": None}),
        )
    )

    def teacher(described: Any) -> Any:
        raise InfeasibleCandidate("there is none")

    return Chain("data", 0, teacher, folder, classification(10)).links(plan, None)


def test_keys_and_seeds_of_recipes_without_a_loss_have_not_changed_since_there_were_none() -> None:
    assert [(link.digest, link.seed) for link in links()] == [
        ("ccd3dc6284856ddb7625933bd7f56dc5", 105608040),
        ("d46b096d23860559d6e3584a72e8f880", 1981171503),
    ]


@pytest.mark.parametrize("first", [0, 1, None])
def test_repeat_changes_keys_and_seeds_from_its_first_stage_on(first: int | None) -> None:
    plan = Plan(tuple(link.stage for link in links()))
    chain = Chain("data", 0, lambda described: None, Path(), classification(10))  # type: ignore[arg-type, return-value]
    repeated = chain.repeated(SeedRepeat(99, lambda plan: first)).links(plan, None)
    count = 2 if first is None else first
    pairs = list(zip(links(), repeated, strict=True))
    assert all(old.digest == new.digest and old.seed == new.seed for old, new in pairs[:count])
    assert all(old.digest != new.digest and old.seed != new.seed for old, new in pairs[count:])
    assert [new.weights_seed for _, new in pairs] == [0] * count + [99] * (2 - count)
    assert [link.digest for link in chain.links(plan, None)] == [old.digest for old, _ in pairs]


@pytest.mark.parametrize("loss", ["focal", {"focal": {"gamma": 3.0}}, "cross_entropy"])
def test_loss_is_part_of_the_key(loss: Any) -> None:
    keys = {link.digest for link in links()}
    assert keys.isdisjoint(link.digest for link in links(loss=loss))
    assert [link.digest for link in links(loss=loss)] == [link.digest for link in links(loss=loss)]


def test_version_of_a_loss_is_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    from paretune.spaces.training.losses.focal import Focal

    before, plain = links(loss="focal"), links()
    monkeypatch.setattr(Focal, "version", 99)
    assert links(loss="focal")[0].digest != before[0].digest
    assert links()[0].digest == plain[0].digest


def test_module_of_an_own_loss_is_part_of_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", list(__import__("sys").path))
    add_import_folders(tmp_path)
    file = tmp_path / "losses_of_keys.py"
    file.write_text("def flat(outputs, targets):\n    return outputs.mean()\n")
    [before, _] = links(tmp_path, loss="losses_of_keys:flat")
    assert list(before.identity.code) == ["losses_of_keys:flat"]
    file.write_text("def flat(outputs, targets):\n    return outputs.sum()\n")
    [after, _] = links(tmp_path, loss="losses_of_keys:flat")
    assert after.digest != before.digest
    assert after.seed == before.seed


def test_stage_of_a_checkpoint_has_another_key_after_its_file_has_changed(tmp_path: Path) -> None:
    network = {"architecture": {"simple_cnn": {"width": 1.0}}, "checkpoint": "weights.pt"}
    plan = Plan((Stage("pretrain", {**network, "recipe": None}),))
    chain = Chain("data", 0, lambda described: None, tmp_path)  # type: ignore[arg-type, return-value]
    file = tmp_path / "weights.pt"
    file.write_bytes(b"first")
    [first] = chain.links(plan, None)
    file.write_bytes(b"other weights")
    [second] = chain.links(plan, None)
    assert first.digest != second.digest


@pytest.mark.parametrize(
    ("value", "names_some"),
    [
        ({"python": {"factory": "pkg.mod:Net"}}, True),
        ({"pkg.mod:Net": {"width": 1}}, True),
        ({"transformers": {"checkpoint": "folder"}}, True),
        ({"simple_cnn": {"width": 0.5}, "schedule": {"cosine": {"end": 0.0}}}, False),
    ],
)
def test_sources_are_looked_for_where_json_may_name_some(value: Any, names_some: bool) -> None:
    assert may_name_sources(canonical(value)) is names_some
    assert names_some or not sources_of(value, Path())

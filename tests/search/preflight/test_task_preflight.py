"""A full check of a user's task: data in its words, and every mistake before the first training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from paretune.search.errors import UserError
from paretune.search.preflight.finding import Finding
from paretune.search.preflight.preflight import loaded, preflight
from paretune.search.study_file.document import read_document
from paretune.search.study_file.loading import load_study

TASK = """
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.facts = nn.Conv2d(1, 8, 3, padding=1), nn.Linear(4, 8)
        self.head, self.count = nn.Linear(8, 2), nn.Linear(8, 1)

    def forward(self, image, facts):
        y = self.body(image).relu().mean((2, 3)) + self.facts(facts).relu()
        return {"where": self.head(y), "count": self.count(y)}


class Pairs(Dataset):
    def __init__(self, count):
        random = torch.Generator().manual_seed(count)
        self.image = torch.randn(count, 1, 6, 6, generator=random)
        self.facts = torch.randn(count, 4, generator=random)

    def __len__(self):
        return len(self.image)

    def __getitem__(self, row):
        facts = self.facts[row]
        return (self.image[row], facts), (facts[:2], facts[2:3])


class Plates:
    keep = ["head*"]

    def model(self):
        return Net()

    def batches(self, part):
        return DataLoader(Pairs({"train": 48, "validation": 24, "test": 23}[part]), 16)

    def loss(self, outputs, targets):
        where = nn.functional.mse_loss(outputs["where"], targets[0])
        return where + nn.functional.mse_loss(outputs["count"], targets[1])

    def score(self, predict, part):
        errors = []
        for inputs, (where, _) in self.batches(part):
            outputs = predict(tuple(x.numpy() for x in inputs))
            errors.append(((outputs["where"] - where.numpy()) ** 2).sum(1))
        return {"gap": (np.concatenate(errors), lambda e: float(np.sqrt(np.mean(e))))}
"""

STUDY = """
task: "{module}:Plates"
baseline: {{pretrain: {{epochs: 1}}}}
space: {{quantization: {{choice: [none, dynamic]}}, pretrain: {{epochs: 1}}}}
objectives: {{gap: {{minimize: mm}}, size: minimize}}
search: {{trials: 2}}
"""

Check = Callable[..., list[Finding]]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """`check(old, new, only=...)` returns the findings for TASK with a part replaced."""

    def run(*replaced: str, only: tuple[str, ...] = ("data", "baseline")) -> list[Finding]:
        text, module = TASK, f"plates_{abs(hash(str(tmp_path)))}"
        for old, new in zip(replaced[::2], replaced[1::2], strict=True):
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (tmp_path / f"{module}.py").write_text(text)
        file = tmp_path / "plates.yaml"
        file.write_text(STUDY.format(module=module))
        spec = load_study(file)
        data = loaded(spec, read_document(file).where)
        return list(preflight(spec, data, only=only).findings)

    return run


def mistake(findings: list[Finding]) -> str:
    [text] = [finding.text for finding in findings if finding.state == "mistake"]
    return text


def test_data_of_a_task_is_described_by_its_first_batch(check: Check) -> None:
    findings = {finding.item: finding.text for finding in check(only=("data",))}
    [sizes] = [text for item, text in findings.items() if item.endswith(":Plates")]
    assert sizes == (
        "48 train, 24 validation, 23 test; input input_0 float32 [1, 6, 6], input_1 float32 [4]"
    )
    assert findings["first batch"] == (
        "inputs (float32 [16, 1, 6, 6], float32 [16, 4]); "
        "targets (float32 [16, 2], float32 [16, 1])"
    )
    assert "scores on so few are uncertain" in findings["validation"]


def test_task_without_mistakes_passes(check: Check) -> None:
    findings = check(only=("data", "baseline", "architecture", "objectives"))
    assert [f.text for f in findings if f.state in ("mistake", "skipped")] == []
    assert "gap" in {finding.item for finding in findings}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('keep = ["head*"]', 'keep = ["hat*"]', 'named "hat*"; the nearest are '),
        ("return where + nn", "return where.detach()  # nn", "has no gradient"),
        ("return where + nn", "return 1.0; where + nn", "it must give the mean of the batch"),
        ("return where + nn", "return where * float('nan') + nn", "is nan for the first batch"),
        ("targets[1])", "targets[1].T)", "targets do not fit the outputs"),
        ('{"where": self.head(y), "count": self.count(y)}', "{'where': y.mean()}", "where"),
        ('{"where": self.head(y),', '{"where": self.head(y) + torch.randn(1),', "random"),
    ],
)
def test_mistake_of_a_task_is_found_before_its_training(
    check: Check, old: str, new: str, words: str
) -> None:
    assert words in mistake(check(old, new))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('{"gap": (np', '{"gaps": (np', 'score gives no gap (did you mean "gaps"?)'),
        ("np.sqrt(np.mean(e))", "np.nan * e[0]", "gap is nan, not a finite number"),
        ('outputs["where"] - where', 'outputs["were"] - where', "KeyError"),
    ],
)
def test_score_is_tried_on_a_file_before_the_training(
    check: Check, old: str, new: str, words: str
) -> None:
    findings = check(old, new, only=("baseline", "objectives"))
    assert words in mistake(findings)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"validation": 24', '"validation": 0', "validation"),
        (
            "def score(",
            "def scores(",
            "has no member `score`; write def score(self, predict, part)",
        ),
        ("def model(self)", "def model(self, more)", "model: missing a required argument"),
    ],
)
def test_task_that_cannot_be_used_is_refused(check: Check, old: str, new: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        check(old, new, only=("data",))
    assert words in str(caught.value)

"""Scores of subnets become a feature, also of those without a score."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from paretune.search.sampling.features import ABSENT, FeatureEncoder
from paretune.search.sampling.subnet_estimates import SubnetEstimates
from paretune.search.study.elastic import SubnetScore, drawn_subnets, elastic_node
from paretune.search.study.spec import StudySpec
from paretune.search.study_file.loading import load_study

STUDY = """\
data: digits
baseline: {architecture: simple_cnn, pretrain: {epochs: 1}}
space:
  architecture:
    choice:
      elastic: {of: baseline, width: [0.25, 1], resolution: [5, 6], epochs: 1, estimates: 20}
      resnet: {width: {choice: [8, 16]}}
  pretrain: {epochs: 1}
objectives: {accuracy: maximize, size: minimize}
"""


@pytest.fixture
def spec(tmp_path: Path) -> StudySpec:
    file = tmp_path / "s.yaml"
    file.write_text(STUDY)
    return load_study(file)


def scores(spec: StudySpec) -> list[SubnetScore]:
    """Returns scores of the drawn subnets: wide ones of high resolution are the best."""
    branch = elastic_node(dict(spec.space.fields)["architecture"])  # type: ignore[union-attr]
    assert branch is not None
    return [
        SubnetScore("k", "s", subnet, math.exp(-2 * goodness(subnet)), 0.9, 64, 0.1)
        for subnet in drawn_subnets(branch, 20, spec.seed)
    ]


def goodness(subnet: dict[str, Any]) -> float:
    return float(subnet["width"]) + (0.0 if subnet["resolution"] else 0.3)


def params(width: float, resolution: str = "full") -> dict[str, Any]:
    return {
        "architecture": "elastic",
        "architecture.elastic.width": width,
        "architecture.elastic.resolution": resolution,
    }


def test_feature_is_absent_until_there_are_scores_and_for_other_networks(spec: StudySpec) -> None:
    stored: list[SubnetScore] = []
    estimates = SubnetEstimates(spec, lambda lineage: stored)
    assert not estimates.refresh()
    assert estimates(params(0.5)) == ABSENT
    stored += scores(spec)
    assert estimates.refresh()
    assert not estimates.refresh()
    assert estimates({"architecture": "resnet", "architecture.resnet.width": "8"}) == ABSENT


def test_feature_is_one_for_the_best_score_and_follows_the_others(spec: StudySpec) -> None:
    estimates = SubnetEstimates(spec, lambda lineage: scores(spec))
    estimates.refresh()
    assert estimates(params(1.0)) == pytest.approx(1.0)
    assert estimates(params(0.25, "5")) == pytest.approx(0.0)
    # Of 21 subnets one has no score, and its feature is predicted.
    for width in (0.25, 0.5, 0.875):
        for side in ("5", "6", "full"):
            wanted = (goodness({"width": width, "resolution": side != "full"}) - 0.25) / 1.05
            assert estimates(params(width, side)) == pytest.approx(wanted, abs=0.06)


def test_feature_is_the_last_column_of_a_row_and_a_group_of_its_own(spec: StudySpec) -> None:
    plain = FeatureEncoder(spec.space)
    encoder = FeatureEncoder(spec.space, estimate=lambda params: 0.25)
    row = encoder.row(params(0.5))
    assert encoder.width == plain.width + 1
    assert row[:-1].tolist() == plain.row(params(0.5)).tolist()
    assert row[-1] == 0.25

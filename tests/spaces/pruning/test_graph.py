"""The dependency graph: what its import may bring."""

from __future__ import annotations

import importlib
import sys

import pytest

from paretune.spaces.pruning.graph import without_timm


def test_timm_looks_absent_while_torch_pruning_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    with without_timm(), pytest.raises(ImportError, match="timm"):
        importlib.import_module("timm")
    assert "timm" not in sys.modules


def test_timm_that_is_imported_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", sys)
    with without_timm():
        assert importlib.import_module("timm") is sys
    assert sys.modules["timm"] is sys

"""Results of checks: how they are printed, and when a verification fails."""

from __future__ import annotations

from paretune.search.export.check_results import CheckResult, Verification

GOOD, DOUBTFUL, BAD = (CheckResult("m", "w", level, "t") for level in ("ok", "warning", "failed"))


def test_verification_fails_if_one_check_fails_and_passes_with_warnings() -> None:
    assert Verification((GOOD,)).text().endswith("the check passed")
    assert Verification((GOOD, GOOD)).text().endswith("all 2 checks passed")
    assert Verification((GOOD, DOUBTFUL)).ok
    assert Verification((GOOD, DOUBTFUL)).text().endswith("all 2 checks passed, with 1 warning")
    assert not Verification((GOOD, BAD, DOUBTFUL)).ok
    assert Verification((BAD,)).text() == "FAIL m: w: t\n1 check failed"
    assert Verification((DOUBTFUL,)).to_json()["results"][0]["ok"] is True

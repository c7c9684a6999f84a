"""What Ray logs while it starts."""

from __future__ import annotations

import logging

import pytest

from paretune.search.clusters.ray_cluster import TOKENS, _without_token_notice


def test_notice_of_a_guarded_cluster_is_hidden_and_a_warning_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    logger = logging.getLogger(TOKENS)
    with _without_token_notice():
        logger.warning("Token authentication is enabled for this Ray cluster. Set ...")
        logger.warning("Token authentication is disabled for this Ray cluster. Anyone with ...")
    logger.warning("Token authentication is enabled for this Ray cluster again")
    told = [record.getMessage().split()[3] for record in caplog.records]
    assert told == ["disabled", "enabled"]

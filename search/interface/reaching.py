"""Tries to reach what a study shares with other hosts: database, store and cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from paretune.search.errors import UserError
from paretune.search.preflight.finding import Finding
from paretune.search.shell import without_password

if TYPE_CHECKING:
    from paretune.search.interface.cluster import Cluster
    from paretune.search.study.spec import StudySpec


def reached(spec: StudySpec, cluster: Cluster | None = None) -> list[Finding]:
    """Returns what answers, of what the study shares with other hosts.

    Nothing is waited for, and nothing stays in the database or the store.

    Args:
        spec: The study.
        cluster: The cluster that shall run it, or None.
    """
    from paretune.search.database.damage import sqlite_file

    findings = []
    if sqlite_file(spec.storage) is None:
        findings.append(_database(spec))
    away = any(finding.state == "mistake" for finding in findings)
    if spec.files is not None and spec.trainer is None and not away:
        findings.append(_store(spec))
    return [*findings, *_cluster(spec, cluster)]


def _database(spec: StudySpec) -> Finding:
    from paretune.search.database.engine import open_engine

    try:
        open_engine(spec.storage).dispose()
    except UserError as error:
        return _mistake("storage", error)
    return Finding(without_password(spec.storage), "ok", "answers", check="storage")


def _store(spec: StudySpec) -> Finding:
    from paretune.search.trial.study_store import try_store

    try:
        url = try_store(spec)
    except UserError as error:
        return _mistake("files", error)
    return Finding(url, "ok", "a file was written, read and removed", check="files")


def _cluster(spec: StudySpec, cluster: Cluster | None) -> Iterator[Finding]:
    """Yields whether the address of a cluster answers, if there is one."""
    from paretune.search.clusters.ray_cluster import ENVIRONMENT

    address = cluster.address if cluster is not None else None
    if cluster is not None or spec.resources is not None:
        address = address or os.environ.get(ENVIRONMENT) or None
    if address is None or address in ("auto", "local"):
        return
    from paretune.search.clusters.address import refuse_silent

    try:
        refuse_silent(address)
    except UserError as error:
        yield Finding("resources", "mistake", str(error), ("resources",), check="cluster")
    else:
        yield Finding(address, "ok", "answers", check="cluster")


def _mistake(key: str, error: UserError) -> Finding:
    text = str(error).removeprefix(f"{key}: ")
    return Finding(key, "mistake", text, (key,), check=key)

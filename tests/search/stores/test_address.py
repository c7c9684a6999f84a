"""The address of a store holds no secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paretune.search.stores.address import StoreAddress, StoreError, store_address
from paretune.search.stores.store_errors import shown_error


def test_paths_and_urls_are_read(tmp_path: Path) -> None:
    assert store_address("store", tmp_path).url == (tmp_path / "store").as_uri()
    assert store_address("/mnt/x", tmp_path).url == "file:///mnt/x"
    assert store_address("file:///mnt/x/", tmp_path).url == "file:///mnt/x"
    assert store_address("S3://bucket/study/", tmp_path).url == "s3://bucket/study"
    address = store_address({"url": "s3://b/x", "options": {"profile": "lab"}}, tmp_path)
    assert StoreAddress.from_json(address.to_json()) == address


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("s3://", "names no folder"),
        ("foo://bucket/x", "foo:// is no file system of fsspec"),
        ("memory://x", "cannot be written by several hosts"),
        ("s3://bucket/x?versionId=1", "without \\?, # and ::"),
        ("simplecache::s3://bucket/x", "without :: and without"),
        (7, "give the URL of a folder"),
        ({"url": "s3://b/x", "option": {}}, "unknown: option"),
        ({"options": {}}, "give a URL, or"),
        ({"url": "s3://b/x", "options": ["profile"]}, "give a mapping of names"),
    ],
)
def test_wrong_addresses_are_refused(value: Any, text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=text):
        store_address(value, tmp_path)


@pytest.mark.parametrize(
    "value",
    [
        "s3://AKIAX:hush-hush@bucket/x",
        "sftp://me:hush-hush@box/study",
        {"url": "s3://b/x", "options": {"secret": "hush-hush"}},
        {"url": "s3://b/x", "options": {"client_kwargs": {"aws_secret_access_key": "hush-hush"}}},
        {"url": "abfs://b/x", "options": {"account_key": "hush-hush"}},
        {"url": "s3://b/x", "options": {"endpoint_url": "http://me:hush-hush@box"}},
    ],
)
def test_secret_in_an_address_is_refused_and_not_repeated(value: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"password|secret") as error:
        store_address(value, tmp_path)
    assert "hush" not in str(error.value)


def test_secret_comes_from_the_environment_or_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_text("from-file\n")
    options = {"key": "env:BOX_KEY", "client": {"token": f"file:{file}"}}
    address = store_address({"url": "s3://b/x", "options": options}, tmp_path)
    monkeypatch.setenv("BOX_KEY", "from-environment")
    resolved = address.resolved_options()
    assert resolved == {"key": "from-environment", "client": {"token": "from-file"}}
    assert "from-" not in str(address.to_json())
    shown = shown_error(OSError("refused from-environment and from-file"), address)
    assert shown == "OSError: refused *** and ***"
    monkeypatch.delenv("BOX_KEY")
    with pytest.raises(StoreError, match="no variable BOX_KEY; set it: export BOX_KEY="):
        address.resolved_options()

"""The address of a store: `files: s3://bucket/study`, without any secret in it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paretune.search.errors import UserError

URL = re.compile(r"^([a-z][a-z0-9+.-]*)://(.*)$", re.IGNORECASE)

LOGIN = re.compile(r"//[^/@]*:[^/@]*@")
"""A password in a URL: `//user:password@host`."""

SECRET = re.compile(
    r"pass|secret|token|credential|sas|signature|private|connection_string|(^|_)key($|_id$)", re.I
)
"""The names of options that hold secrets: key, aws_secret_access_key, account_key, ..."""

HARMLESS = ("key_filename", "s3_additional_kwargs", "anon", "token_timeout")

REFERENCE = re.compile(r"^(env|file):(.+)$")
"""Says where a secret is: `env:NAME` or `file:PATH`."""

PRIVATE = ("memory", "http", "https", "data", "blockcache", "filecache", "simplecache", "reference")
"""Protocols of fsspec that several hosts cannot write to."""


class StoreError(UserError):
    """The store cannot be used; the text says why, and how to go on."""


@dataclass(frozen=True)
class StoreAddress:
    """Where the files of a study are kept.

    Attributes:
        url: URL of a folder, "s3://bucket/study" or "file:///mnt/shared/study".
        options: Options of the fsspec file system. A secret is "env:NAME" or "file:PATH".
    """

    url: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def protocol(self) -> str:
        """Name of the file system, such as "s3"."""
        return self.url.partition("://")[0]

    def to_json(self) -> dict[str, Any]:
        """Returns it as the database keeps it; it has no secret."""
        return {"url": self.url, "options": dict(self.options)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> StoreAddress:
        """Returns the address that `to_json` returned."""
        return cls(value["url"], value.get("options", {}))

    def resolved_options(self) -> dict[str, Any]:
        """Returns the options with their secrets, which no other code may keep or show.

        Raises:
            StoreError: A variable or file that holds a secret is missing.
        """
        return {name: _resolved(value, name) for name, value in self.options.items()}

    def secrets(self) -> list[str]:
        """Returns the texts that no message may show."""
        texts = [
            os.environ.get(name, "") for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        ]
        texts += [_resolved(text, "") for text in _texts(self.options) if REFERENCE.match(text)]
        return [text for text in texts if text]


def store_address(value: Any, folder: Path) -> StoreAddress:
    """Returns the address that a study file names.

    Args:
        value: A URL or a path, or {"url": it, "options": {name: value}}.
        folder: The study file's folder, which a relative path starts at.

    Raises:
        ValueError: It is no such address, or has a secret; the text repeats no secret.
    """
    options: Any = {}
    if isinstance(value, Mapping):
        unknown = [str(key) for key in value if key not in ("url", "options")]
        if unknown or "url" not in value:
            extra = f"; unknown: {', '.join(unknown)}" if unknown else ""
            raise ValueError(f"give a URL, or {{url: URL, options: {{name: value}}}}{extra}")
        value, options = value["url"], value.get("options") or {}
    if not isinstance(value, str) or not value.strip():
        raise ValueError("give the URL of a folder, such as s3://bucket/study or /mnt/shared/study")
    if not isinstance(options, Mapping) or not all(isinstance(name, str) for name in options):
        raise ValueError("options: give a mapping of names to values of the fsspec file system")
    _refuse_secrets(options, ("options",))
    return StoreAddress(_url(value.strip(), folder), dict(options))


def _url(text: str, folder: Path) -> str:
    if LOGIN.search(text):
        raise ValueError(
            "the URL holds a password, which would be kept with the study; leave it out, and give "
            "it by the environment or by options: {password: env:NAME}"
        )
    match = URL.match(text)
    if match is None:
        if "::" in text or "?" in text:
            raise ValueError("give a path or a URL of one folder, without :: and without ?")
        return (folder / Path(text).expanduser()).absolute().as_uri()
    protocol, rest = match[1].lower(), match[2].rstrip("/")
    if "?" in rest or "#" in rest or "::" in rest:
        raise ValueError(
            "give a plain URL, without ?, # and ::; options of the file system belong below "
            "options: {name: value}"
        )
    _refuse_protocol(protocol)
    if not rest.strip("/"):
        raise ValueError(f"names no folder; give a URL such as {protocol}://bucket/study")
    if protocol in ("file", "local"):
        return Path("/" + rest.lstrip("/")).as_uri()
    return f"{protocol}://{rest}"


def _refuse_protocol(protocol: str) -> None:
    from fsspec.registry import known_implementations

    if protocol in PRIVATE:
        raise ValueError(
            f"{protocol}:// cannot be written by several hosts; give s3://bucket/study, or a path "
            "that all hosts share"
        )
    if protocol not in known_implementations:
        raise ValueError(
            f"{protocol}:// is no file system of fsspec; give s3://bucket/study, file:///folder, "
            "or another one of them"
        )


def _refuse_secrets(options: Mapping[str, Any], key: tuple[str, ...]) -> None:
    """Refuses secrets that stand in the study file itself."""
    for name, value in options.items():
        where = (*key, str(name))
        if isinstance(value, Mapping):
            _refuse_secrets(value, where)
            continue
        texts = list(_texts(value))
        hidden = SECRET.search(str(name)) and str(name) not in HARMLESS
        if any(LOGIN.search(text) for text in texts) or (
            hidden and any(not REFERENCE.match(text) for text in texts)
        ):
            raise ValueError(
                f"{'.'.join(where)}: a secret does not belong in a study file, which the database "
                f"keeps; give {name}: env:NAME or {name}: file:PATH"
            )


def _texts(value: Any) -> Iterator[str]:
    """Yields all texts in an option."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)


def _resolved(value: Any, name: str) -> Any:
    """Returns an option with what its references stand for."""
    if isinstance(value, Mapping):
        return {key: _resolved(each, f"{name}.{key}") for key, each in value.items()}
    if isinstance(value, list):
        return [_resolved(each, name) for each in value]
    match = REFERENCE.match(value) if isinstance(value, str) else None
    if match is None:
        return value
    kind, source = match.groups()
    if kind == "env":
        if source not in os.environ:
            raise StoreError(
                f"files: options.{name}: the environment has no variable {source}; set it: "
                f"export {source}=..."
            )
        return os.environ[source]
    try:
        return Path(source).expanduser().read_text().strip()
    except OSError as error:
        raise StoreError(
            f"files: options.{name}: {source}: {error.strerror}; put the secret into this file"
        ) from None

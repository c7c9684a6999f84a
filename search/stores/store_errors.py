"""Explains why a store refuses a file; no text repeats a secret."""

from __future__ import annotations

from paretune.search.stores.address import StoreAddress, StoreError

MOST = 240
"""Characters of an error that a text repeats."""

NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound")

FINAL = (
    *NO_CREDENTIALS,
    "ParamValidationError",
    "InvalidRegionError",
    "NoRegionError",
    "AuthenticationException",
    "BadHostKeyException",
    "SSLCertVerificationError",
    "TypeError",
    "NotADirectoryError",
    "IsADirectoryError",
    "NotImplementedError",
)
"""Names of exceptions that no wait mends; their packages may not be installed."""

CREDENTIALS = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment of each worker, or "
    "AWS_PROFILE; a server of your own also needs AWS_ENDPOINT_URL"
)


def is_final(error: BaseException) -> bool:
    """Returns whether an error stays the same however long one waits."""
    if isinstance(error, PermissionError):
        return True
    names = {kind.__name__ for each in _chain(error) for kind in type(each).__mro__}
    return bool(names & set(FINAL))


def refusal_text(address: StoreAddress, error: BaseException) -> str:
    """Returns the text for a store that refuses, and what to type."""
    shown = shown_error(error, address)
    if any(type(each).__name__ in NO_CREDENTIALS for each in _chain(error)):
        return f"files: {address.url}: there are no credentials: {shown}; {CREDENTIALS}"
    if isinstance(error, PermissionError):
        advice = CREDENTIALS if address.protocol in ("s3", "s3a") else "mend the folder's rights"
        return (
            f"files: {address.url}: the store refuses reading, writing or removing a file: "
            f"{shown}; workers need all three. Perhaps {advice}"
        )
    if isinstance(error, FileNotFoundError):
        return (
            f"files: {address.url}: there is no such bucket or folder ({shown}); create it, or "
            "give another URL"
        )
    return f"files: {address.url} cannot be used: {shown}"


def full_text(address: StoreAddress, error: OSError) -> str:
    """Returns the text for a store without room."""
    return (
        f"files: {address.url}: {error.strerror}; make room there and type the same command again: "
        "the study continues where it stopped"
    )


def shown_error(error: BaseException, address: StoreAddress) -> str:
    """Returns an error in one line, without secrets."""
    line = " ".join(f"{type(error).__name__}: {error}".split())
    try:
        secrets = address.secrets()
    except StoreError:  # a variable is gone meanwhile
        secrets = []
    for secret in secrets:
        line = line.replace(secret, "***")
    return line if len(line) <= MOST else line[: MOST - 3] + "..."


def _chain(error: BaseException | None) -> list[BaseException]:
    """Returns an error and its causes."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain

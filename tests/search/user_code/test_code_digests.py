"""The digest of a user's code changes with the code, and with nothing else."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from paretune.search.user_code import code_digest, dotted_paths

FILES = {
    "lone_net.py": "import os\nimport lone_parts\n\n\nclass Net:\n    pass\n",
    "lone_parts.py": "WIDTH = 8\n",
    "lone_other.py": "WIDTH = 9\n",
    "kit/__init__.py": "",
    "kit/net.py": "from .blocks import deep\nfrom kit import extra\n",
    "kit/blocks/__init__.py": "",
    "kit/blocks/deep.py": "DEEP = 1\n",
    "kit/extra.py": "EXTRA = 1\n",
    "kit/unused.py": "UNUSED = 1\n",
}


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield tmp_path
    for name in [n for n in sys.modules if n.partition(".")[0] in ("kit", "lone_net")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("path", "file", "changes"),
    [
        ("lone_net:Net", "lone_net.py", True),
        ("lone_net:Net", "lone_parts.py", True),
        ("lone_net:Net", "lone_other.py", False),
        ("kit.net:Net", "kit/net.py", True),
        ("kit.net:Net", "kit/blocks/deep.py", True),
        ("kit.net:Net", "kit/blocks/__init__.py", True),
        ("kit.net:Net", "kit/extra.py", True),
        ("kit.net:Net", "kit/unused.py", False),
    ],
)
def test_digest_covers_the_module_and_what_it_imports(
    code: Path, path: str, file: str, changes: bool
) -> None:
    before = code_digest(path)
    assert before is not None
    (code / file).write_text((code / file).read_text() + "MORE = 1\n")
    assert (code_digest(path) != before) is changes


def test_digest_ignores_comments_and_blank_lines(code: Path) -> None:
    before = code_digest("lone_net:Net")
    text = FILES["lone_net.py"].replace("pass", "pass  # nothing yet\n\n    # more")
    (code / "lone_net.py").write_text(f"# Mine.\n\n{text}")
    assert code_digest("lone_net:Net") == before


def test_digest_runs_nothing_of_the_module(code: Path) -> None:
    (code / "lone_net.py").write_text("raise SystemExit\n")
    assert code_digest("lone_net:Net") is not None
    assert "lone_net" not in sys.modules


def test_modules_that_import_each_other_are_read_once(code: Path) -> None:
    (code / "lone_parts.py").write_text("import lone_net\n")
    assert code_digest("lone_net:Net") is not None


@pytest.mark.parametrize("path", ["no_such_module:Net", "math:sqrt", "paretune.search.errors:X"])
def test_code_without_a_file_of_the_user_has_no_digest(path: str) -> None:
    assert code_digest(path) is None


def test_dotted_paths_are_found_among_keys_and_values() -> None:
    value = {"python": {"factory": "net:Net", "args": {"x": "a b", "t": "12:30"}}, "kit.a:B": [1]}
    assert list(dotted_paths([value, value])) == ["net:Net", "kit.a:B"]

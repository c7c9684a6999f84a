"""The source of an object that no module file defines, such as a class of a notebook cell."""

from __future__ import annotations

import ast
import inspect
import linecache
from collections.abc import Iterator
from textwrap import dedent
from types import CodeType, FunctionType

from paretune.search.user_code.code_digests import without_comments


class NoSource(ValueError):
    """The source of an object cannot be read; the text is its name."""


def source_of(value: type | FunctionType) -> str:
    """Returns the source of a class or function, without comments.

    Raises:
        NoSource: It was not typed into a file or a notebook cell.
    """
    try:
        text = _class_source(value) if isinstance(value, type) else inspect.getsource(value)
    except (OSError, TypeError, SyntaxError) as error:
        raise NoSource(value.__qualname__) from error
    return without_comments(dedent(text))


def functions_of(value: type) -> Iterator[FunctionType]:
    """Yields the functions in the body of a class, and those behind its properties."""
    for member in vars(value).values():
        inner = inspect.unwrap(getattr(member, "__func__", member)) if callable(member) else member
        for each in (inner, *(getattr(member, key, None) for key in ("fget", "fset", "__func__"))):
            if isinstance(each, FunctionType):
                yield each
                break


def _class_source(value: type) -> str:
    """Returns the source of a class; `inspect` does not find classes of notebook cells.

    Raises:
        OSError, TypeError, SyntaxError: There is none.
    """
    try:
        return inspect.getsource(value)
    except (OSError, TypeError):
        for function in functions_of(value):
            text = _class_around(value, function.__code__)
            if text is not None:
                return text
        raise


def _class_around(value: type, code: CodeType) -> str | None:
    """Returns the class definition around a function, by the lines that Python keeps of a cell."""
    text = "".join(linecache.getlines(code.co_filename))
    if not text:
        return None
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, ast.ClassDef)
            and node.name == value.__name__
            and node.lineno <= code.co_firstlineno <= (node.end_lineno or 0)
        ):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            return "".join(text.splitlines(keepends=True)[first - 1 : node.end_lineno])
    return None

"""What changed between two versions of a study, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from paretune.search.changing.inverse import is_choice, is_range, same_value
from paretune.search.trial.resume_check import ABSENT
from paretune.search.views.words import and_text

MOST = 80
"""Longest text of a value, in characters."""

MOST_LABELS = 8
"""Most options of a choice in a list."""


def change_texts(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns what differs between two identities, one line for each parameter or objective.

    Args:
        old: The identity of the earlier version (`resume_check.identity` as JSON).
        new: That of the later version.
    """
    lines = [
        *_space_lines(old["space"], new["space"], ""),
        *_objective_lines(old["objectives"], new["objectives"]),
        *_constraint_lines(old["constraints"], new["constraints"]),
        *_search_lines(old["search"], new["search"]),
        *_other_lines(old, new),
    ]
    orders = _order_lines(old["order"], new["order"])
    same_objectives = {*old["objectives"]} == {*new["objectives"]}
    if lines and same_objectives:
        lines += [line for line in orders if line.startswith("order of objectives")]
    return tuple(lines or orders)


# -- the space -----------------------------------------------------------------------------------


def _space_lines(old: Any, new: Any, path: str) -> Iterator[str]:
    if same_value(old, new):
        return
    if is_choice(old) and is_choice(new):
        yield from _choice_lines(old["choice"], new["choice"], path)
    elif _is_record(old) and _is_record(new):
        for key in [*old, *(key for key in new if key not in old)]:
            child = f"{path}.{key}" if path else key
            yield from _space_lines(old.get(key), new.get(key), child)
    else:
        yield f"{path} {space_text(old)} -> {space_text(new)}"


def _choice_lines(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[str]:
    if not {*old} & {*new}:
        yield f"{path} {_labels_text(list(old))} -> {_labels_text(list(new))}"
        return
    if added := [label for label in new if label not in old]:
        yield f"{path}: new {_noun('option', added)} {_labels_text(added, 'and')}"
    if dropped := [label for label in old if label not in new]:
        yield f"{path}: {_noun('option', dropped)} {_labels_text(dropped, 'and')} dropped"
    for label in old:
        if label in new:
            inside = path if label in _keys(old[label]) else f"{path}.{label}"
            yield from _space_lines(old[label], new[label], inside)


def space_text(tree: Any) -> str:
    """Returns a part of a space in a few words: `0.1 .. 0.5, log`, `none or dynamic`, `adam`."""
    if is_choice(tree):
        return _labels_text(list(tree["choice"]))
    if is_range(tree):
        low, high = tree.get("float") or tree["int"]
        step = tree["step"]
        is_plain = step is None or (step == 1 and "int" in tree)
        extra = (", log" if tree["log"] else "") + ("" if is_plain else f", step {step:g}")
        return f"{low:g} .. {high:g}{extra}"
    if tree is None or tree == {"none": {}}:
        return "none"
    if isinstance(tree, Mapping) and len(tree) == 1:
        [(name, options)] = tree.items()
        return name if isinstance(options, Mapping) else _short(json.dumps(tree))
    if isinstance(tree, Mapping) and "epochs" in tree:  # a recipe
        return f"{space_text(tree['epochs'])} epochs"
    return _short(tree if isinstance(tree, str) else json.dumps(tree))


def _is_record(tree: Any) -> bool:
    """Returns whether a tree has parts that are compared one by one."""
    if not isinstance(tree, Mapping) or is_choice(tree) or is_range(tree):
        return False
    return tree != {"none": {}}


def _keys(tree: Any) -> Sequence[str]:
    return list(tree) if isinstance(tree, Mapping) else ()


# -- objectives, constraints, search -------------------------------------------------------------


def _objective_lines(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in [*old, *(name for name in new if name not in old)]:
        if name not in old:
            [direction] = new[name]
            yield f"new objective {name}: {direction}"
        elif name not in new:
            yield f"objective {name} dropped"
        else:
            [(was, before)], [(now, after)] = old[name].items(), new[name].items()
            if was != now:
                yield f"{name} {was} -> {now}"
            for key in [*before, *(key for key in after if key not in before)]:
                one, two = before.get(key), after.get(key)
                if one != two:
                    yield f"{name}: {key} {_value_text(one)} -> {_value_text(two)}"


def _constraint_lines(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    for text in new:
        if text not in old:
            yield f"new constraint {text}"
    for text in old:
        if text not in new:
            yield f"constraint {text} dropped"
    if sorted(old) == sorted(new) and list(old) != list(new):
        yield "order of the constraints"


def _search_lines(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    if old["sampler"] != new["sampler"]:
        yield f"sampler {_sampler_text(old['sampler'])} -> {_sampler_text(new['sampler'])}"
    if old["seed"] != new["seed"]:
        yield f"seed {old['seed']} -> {new['seed']}"
    before, after = old.get("racing"), new.get("racing")
    if before != after:
        yield f"racing {_value_text(before)} -> {_value_text(after)}"


def _sampler_text(sampler: Mapping[str, Any]) -> str:
    [(name, options)] = sampler.items()
    return name if not options else _short(json.dumps({name: options}))


def _other_lines(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Yields a line for each teacher, further quantity and file that came, went or changed."""
    nouns = {"teachers": "teacher", "quantities": "quantity", "content": "content of"}
    for section, noun in nouns.items():
        before, after = old.get(section) or {}, new.get(section) or {}
        for name in sorted({*before, *after}):
            one, two = before.get(name, ABSENT), after.get(name, ABSENT)
            has_line = section == "content" and ABSENT in (one, two)  # that of its technique
            has_line |= section == "quantities" and name in {*old["objectives"], *new["objectives"]}
            if one == two or has_line:
                continue
            what = "new" if one == ABSENT else "dropped" if two == ABSENT else "changed"
            yield f"{noun} {name}: {what}"


def _order_lines(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    names = [name for name in new if old.get(name) != new[name]]
    return [f"order of {name}: {', '.join(new[name])}" for name in names]


def _labels_text(labels: Sequence[str], word: str = "or") -> str:
    """Returns `none, dynamic or static`; a long list ends `or 5 more`."""
    shown = list(labels)
    if len(shown) > MOST_LABELS:
        shown = [*shown[: MOST_LABELS - 1], f"{len(shown) - MOST_LABELS + 1} more"]
    text = and_text(shown)
    return text if word == "and" else f" {word} ".join(text.rsplit(" and ", 1))


def _value_text(value: Any) -> str:
    if value is None:
        return "none"
    return _short(value if isinstance(value, str) else json.dumps(value))


def _noun(word: str, items: Sequence[str]) -> str:
    return word if len(items) == 1 else f"{word}s"


def _short(text: str) -> str:
    return text if len(text) <= MOST else f"{text[: MOST - 3]}..."

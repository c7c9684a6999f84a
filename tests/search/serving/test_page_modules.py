"""The modules of the page: their imports, and what the page asks for at once."""

from __future__ import annotations

import re

from paretune.search.serving.page_files import PAGE

IMPORT = re.compile(r'from "\./([\w.]+)"')


def modules_of(name: str) -> set[str]:
    """Returns a module and all that it imports."""
    names = {name}
    for other in IMPORT.findall((PAGE / name).read_text()):
        if other not in names:
            names |= modules_of(other)
    return names


def test_page_preloads_every_module_that_it_needs() -> None:
    page = (PAGE / "study.html").read_text()
    preloaded = re.findall(r'rel="modulepreload" href="/static/([\w.]+)"', page)
    assert sorted(preloaded) == sorted(modules_of("study.js") - {"study.js"})


def test_every_file_of_the_page_is_used() -> None:
    pages = {path.name: path.read_text() for path in PAGE.glob("*.html")}
    used = {name for text in pages.values() for name in re.findall(r"/static/([\w.]+)", text)}
    used |= {module for name in used if name.endswith(".js") for module in modules_of(name)}
    assert {path.name for path in PAGE.iterdir()} == {*pages, *used}


def test_no_text_becomes_markup_and_no_script_is_inline() -> None:
    for file in PAGE.glob("*.js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|\beval\b", file.read_text())
    for file in PAGE.glob("*.html"):
        assert not re.search(r"<script(?![^>]*src=)|\son\w+=|\sstyle=|<style", file.read_text())

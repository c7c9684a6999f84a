"""A profile as an HTML page."""

from __future__ import annotations

from paretune.search.profiling.html_page import profile_html
from paretune.search.profiling.profile import Profile


def test_page_escapes_texts_of_the_network(profile: Profile) -> None:
    page = profile_html(profile)
    assert "<b>mine</b>" not in page and "&lt;b&gt;mine&lt;/b&gt;" in page
    assert "pruned by half: &lt;/script&gt;" in page

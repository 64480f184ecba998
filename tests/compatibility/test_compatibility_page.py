"""docs/compatibility.md says what the server does: every resource, verb, subresource and option is asked for."""

from __future__ import annotations

from tests.compatibility.page import NO, render, written


async def test_the_page_says_what_is_so():
    text = await render()
    assert text == written(), "run `make compatibility` and look at the difference"


def test_what_is_missing_has_a_reason():
    missing = [line for line in written().splitlines() if f"{NO} |" in line or "partly" in line]
    assert [line for line in missing if "(" not in line] == []

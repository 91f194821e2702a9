from __future__ import annotations

import json

from curate.report.token_highlights import highlight_tokens


def test_tokens_are_shaded_by_size_and_escaped() -> None:
    row = {
        "t.chosen_tokens": json.dumps([["<b>", 1.0], [" x", -0.5], ["y", None], ["z", 0.0]]),
        "t.rejected_tokens": json.dumps([["q", 0.25]]),
        "t.margin": 0.5,
    }
    ((name, (chosen, rejected)),) = highlight_tokens(row)
    assert name == "t"
    assert chosen == (
        '<span style="background:rgba(46,125,50,0.85)" title="+1.0000">&lt;b&gt;</span>'
        '<span style="background:rgba(198,40,40,0.42)" title="-0.5000"> x</span>yz'
    )
    assert 'rgba(46,125,50,0.21)" title="+0.2500">q' in rejected


def test_rows_without_tokens_show_none() -> None:
    assert highlight_tokens({"a.margin": 1.0}) == []
    assert highlight_tokens({"t.chosen_tokens": None, "t.rejected_tokens": None}) == []
    nothing = {"t.chosen_tokens": "[]", "t.rejected_tokens": "[]"}
    assert highlight_tokens(nothing) == [("t", ["", ""])]

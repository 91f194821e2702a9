from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.models.text.style import LENGTH, STYLE_FEATURES, text_style


def test_counts_by_hand() -> None:
    text = "One two? two!\n- item 12\n2. more\n```x```"
    row = dict(zip(STYLE_FEATURES, text_style([text])[0], strict=True))
    expected = {
        "log characters": len(text),
        "log words": 9,
        "log lines": 3,
        "log list items": 2,
        "log question marks": 1,
        "log code fences": 2,
        "log digits": 3,
        "log exclamation marks": 1,
    }
    for name, count in expected.items():
        np.testing.assert_allclose(row[name], np.log1p(count), rtol=1e-6, err_msg=name)
    np.testing.assert_allclose(row["distinct words per word"], 9 / 10, rtol=1e-6)


def test_empty_texts_and_none_at_all() -> None:
    assert text_style([""]).tolist() == [[0.0] * len(STYLE_FEATURES)]
    assert text_style([]).shape == (0, len(STYLE_FEATURES))
    assert STYLE_FEATURES[LENGTH] == "log characters"


_WORDS = "aAbÉß \t\n\x0b\x0c\r\x1c\x85\xa0\u1680\u2003\u200b\u2028\u3000"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(alphabet=_WORDS, max_size=20)))
def test_words_are_those_of_a_pattern(texts: list[str]) -> None:
    style = text_style(texts)
    frame = pl.DataFrame({"t": pl.Series(texts, dtype=pl.String)})
    words = frame.select(w=pl.col("t").str.to_lowercase().str.extract_all(r"\S+"))["w"].to_list()
    expected = np.array([[np.log1p(len(w)), len(set(w)) / (len(w) + 1)] for w in words])
    columns = [STYLE_FEATURES.index(n) for n in ("log words", "distinct words per word")]
    np.testing.assert_allclose(style[:, columns], expected.reshape(-1, 2), rtol=1e-6)

from __future__ import annotations

import numpy as np

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

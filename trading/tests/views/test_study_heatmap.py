"""The cells of a heat map over two parameters of a search."""

from __future__ import annotations

from types import SimpleNamespace

from trading.selectors.study_maps import heat


def test_cells_of_whole_numbers_have_whole_bounds():
    ranked = [
        SimpleNamespace(number=n, objective=0.1, parameters={"fast": 4 + n, "slow": 50})
        for n in range(1, 27)
    ]

    shown = heat(ranked, set(), "fast", "slow")

    assert shown["columns"][0] == "5–7"
    assert shown["columns"][-1] == "29–30"
    assert all(float(end).is_integer() for span in shown["column_spans"] for end in span)

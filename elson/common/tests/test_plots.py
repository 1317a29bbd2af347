"""Where the server's drawings put what they draw."""

from __future__ import annotations

import pytest

from elson.common.templatetags import plots


def test_a_figure_at_multiples_goes_from_edge_to_edge_around_the_zero():
    found = plots.multiples([(0.0, 0.10), (1.0, 0.0), (2.0, -0.10)], "Return")

    assert found is not None
    assert found["path"] == "M24.0 24.0L170.0 75.0L316.0 126.0"
    assert found["zero"] == "75.0"
    assert [point["is_one"] for point in found["points"]] == [False, True, False]
    assert found["label"] == "Return: +10.0% at 0.0 times, 0.0% at 1.0 times, −10.0% at 2.0 times"


@pytest.mark.parametrize("points", [[], [(1.0, 0.2)]])
def test_fewer_than_two_multiples_draw_nothing(points):
    assert plots.multiples(points, "Return") is None


def test_a_figure_that_never_moves_is_a_flat_line():
    found = plots.multiples([(0.0, 0.0), (1.0, 0.0)], "Return")

    assert found is not None
    assert found["path"] == "M24.0 126.0L316.0 126.0"


def test_the_zero_is_drawn_also_where_every_figure_lies_above_it():
    found = plots.multiples([(0.0, 0.2), (1.0, 0.1)], "Return")

    assert found is not None
    assert found["zero"] == "126.0"
    assert found["path"] == "M24.0 24.0L316.0 75.0"


def test_a_calibration_without_a_full_bin_says_why_it_shows_no_point():
    bins = [
        {
            "low": 0.5, "high": 0.6, "n": n, "mean_probability": 0.55, "win_rate": 0.5,
            "interval": (0.3, 0.7),
        }
        for n in (19, 3)
    ]  # fmt: skip

    few = plots.calibration(bins, "Low", 20)
    enough = plots.calibration([*bins, {**bins[0], "n": 20}], "Low", 20)

    assert (few["points"], few["empty"]) == ([], "fewer than 20 results in every bin")
    assert (len(enough["points"]), enough["empty"]) == (1, "")

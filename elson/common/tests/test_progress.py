"""The line of progress: on a terminal only, cleared at the end."""

import io

import pytest

from elson.common.progress import PhaseLine


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_line_tells_share_and_phase_and_is_cleared_at_the_end():
    stream = Terminal()

    with PhaseLine(stream, total=100, unit="bars") as line:
        line.draw(0.5, "Simulating")
        drawn = stream.getvalue()

    assert ("█" * 12 + "░" * 12 + "  50%  Simulating") in drawn
    assert stream.getvalue().removeprefix(drawn) == "\r\x1b[2K"


def test_a_share_right_after_another_is_not_drawn_but_a_new_phase_is():
    stream, now = Terminal(), iter([0.0, 1.0, 1.05, 1.06])

    with PhaseLine(stream, total=100, unit="bars", clock=lambda: next(now)) as line:
        line.draw(0.5, "Simulating")
        line.draw(0.6, "Simulating")
        line.draw(0.0, "Statistics")

    assert ["60%" in stream.getvalue(), "Statistics" in stream.getvalue()] == [False, True]


@pytest.mark.parametrize(
    ("total", "words"), [(8_000, "2,000 bars/s  2 s left"), (10, "2.5 bars/s  2 s left")]
)
def test_the_line_tells_rate_and_time_left(total, words):
    stream, now = Terminal(), iter([0.0, 2.0])

    with PhaseLine(stream, total=total, unit="bars", clock=lambda: next(now)) as line:
        line.draw(0.5, "Simulating")

    assert words in stream.getvalue()


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_nothing_is_written_where_nobody_looks(share):
    stream = io.StringIO()

    with PhaseLine(stream, total=100, unit="bars") as line:
        line.draw(share, "Simulating")

    assert stream.getvalue() == ""

"""Kernels around trials: the compiled loop, a plain version and Optuna's own agree."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.engine.search import parzen
from trading.engine.search.parzen import axis_of, mixture_of
from trading.engine.search.space import Dimension

STEPS = Dimension("max_bars", "INT", 5.0, 60.0, 5.0)
SHARES = Dimension("share", "FLOAT", 0.1, 0.9, 0.05)
FREE = Dimension("band", "FLOAT", -1.0, 3.0)
FREE_LOG = Dimension("rate", "FLOAT", 1e-4, 1.0, None, True)
WHOLE_LOG = Dimension("window", "INT", 1.0, 500.0, 1.0, True)
CHOICES = Dimension("sizing", "CHOICE", 0.0, 2.0, 1.0, choices=("ALL_IN", "VOLATILITY", "FIXED"))
DIMENSIONS = (STEPS, SHARES, FREE, FREE_LOG, WHOLE_LOG, CHOICES)
AXES = tuple(axis_of(dimension) for dimension in DIMENSIONS)
IDS = [dimension.key for dimension in DIMENSIONS]


# Of so many steps that no two of a few hundred trials are alike: Optuna orders equals by chance.
FINE = (
    Dimension("max_bars", "INT", 5.0, 10_000.0, 5.0),
    Dimension("share", "FLOAT", 0.1, 0.9, 0.0005),
    FREE,
    FREE_LOG,
    Dimension("window", "INT", 100.0, 90_000.0, 1.0, True),
    CHOICES,
)


def positions(n, seed=1, axes=AXES):
    rng = np.random.default_rng(seed)
    u = [(rng.permutation(n) + rng.random()) / n for _ in axes]
    columns = [
        a.snapped(a.low + share * (a.high - a.low)) for a, share in zip(axes, u, strict=True)
    ]
    return np.column_stack(columns).reshape(n, len(axes))


def bins(places, axes=AXES):
    pairs = [axis.edges(places[:, j]) for j, axis in enumerate(axes)]
    return [np.column_stack([pair[side] for pair in pairs]) for side in (0, 1)]


def plain_share(axis, left, right, center, width):
    """Mass or density of one kernel on one axis, from its definition."""
    if axis.kind == parzen.CHOSEN:
        row = np.full(round(axis.high - axis.low), width)
        if center >= 0:
            row[int(center)] += 1.0
        return row[int(left)] / row.sum()
    whole = NormalDist(center, width)
    inside = whole.cdf(axis.high) - whole.cdf(axis.low)
    part = whole.cdf(right) - whole.cdf(left) if right > left else whole.pdf(left)
    return part / inside


def plain_density(mixture, left, right):
    rows = zip(mixture.centers, mixture.widths, strict=True)
    products = np.array(
        [
            [
                math.prod(map(plain_share, AXES, lefts, rights, center, width))
                for lefts, rights in zip(left, right, strict=True)
            ]
            for center, width in rows
        ]
    )
    return mixture.weights @ products / products[-1]


@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_density_equals_its_plain_version(n):
    mixture = mixture_of(AXES, positions(n))
    left, right = bins(positions(4, seed=2))

    np.testing.assert_allclose(
        mixture.density(left, right), plain_density(mixture, left, right), rtol=1e-6
    )


@pytest.mark.parametrize("n", [0, 1, 30])
def test_compiled_density_gives_the_bits_of_its_source(n):
    mixture = mixture_of(AXES, positions(n))
    low, high, kinds = parzen._ends(AXES)
    shape = (mixture.centers, mixture.widths)
    inside = parzen.inside_nb(*shape, low, high, kinds)
    rest = (*bins(positions(6, seed=3)), *shape, inside, mixture.weights, kinds)

    assert np.array_equal(inside, parzen.inside_nb.py_func(*shape, low, high, kinds))
    assert np.array_equal(parzen.density_nb(*rest), parzen.density_nb.py_func(*rest))


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 2, 24, 25, 60, 125])
def test_the_gain_of_a_candidate_is_that_of_optuna(n):
    # Its estimator has no public name; another version of Optuna may want another test.
    from optuna.samplers import TPESampler
    from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator

    from trading.engine.search.tpe import _distribution

    axes = [axis_of(dimension) for dimension in FINE]
    space = {d.key: _distribution(d) for d in FINE}
    settings = TPESampler()._parzen_estimator_parameters

    def numbers(places):
        return {
            a.dimension.key: np.array(
                [space[a.dimension.key].to_internal_repr(a.value(p)) for p in places[:, j]]
            )
            for j, a in enumerate(axes)
        }

    good, others, candidates = (positions(k, k, axes) for k in (n, 2 * n + 1, 24))
    theirs = [_ParzenEstimator(numbers(rows), space, settings) for rows in (good, others)]
    below, above = (estimator.log_pdf(numbers(candidates)) for estimator in theirs)
    edges = bins(candidates, axes)
    ours = [mixture_of(axes, rows).density(*edges) for rows in (good, others)]

    np.testing.assert_allclose(np.log(ours[0] / ours[1]), below - above, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("axis", AXES, ids=IDS)
@given(u=st.floats(0.0, 1.0))
def test_a_snapped_position_is_that_of_its_value(axis, u):
    place = float(axis.snapped(np.array([axis.low + u * (axis.high - axis.low)]))[0])

    value = axis.value(place)

    assert axis.position(value) == pytest.approx(place, abs=1e-6)
    assert axis.value(axis.position(value)) == value


@pytest.mark.parametrize("axis", AXES, ids=IDS)
def test_the_ends_of_an_axis_are_the_ends_of_its_dimension(axis):
    first, last = axis.snapped(np.array([axis.low, axis.high]))
    d = axis.dimension

    expected = (d.choices[0], d.choices[-1]) if d.choices else (d.low, d.high)
    assert (axis.value(float(first)), axis.value(float(last))) == expected


@pytest.mark.parametrize("axis", [axis_of(STEPS), axis_of(CHOICES)], ids=["steps", "choices"])
def test_draws_fall_where_the_density_says(axis):
    mixture = mixture_of([axis], np.array([[1.0], [1.0], [0.0]]))
    n_values = round(axis.high - axis.low)
    every = np.arange(float(n_values))[:, np.newaxis]
    left, right = axis.edges(every)
    middle = mixture_of([axis], np.empty((0, 1)))

    drawn = axis.snapped(mixture.draw(np.random.default_rng(4).random((20_000, 2)))[:, 0])

    found = np.bincount(drawn.astype(int), minlength=n_values) / 20_000
    alone = axis.snapped(middle.draw(np.random.default_rng(5).random((20_000, 2)))[:, 0])
    base = np.bincount(alone.astype(int), minlength=n_values) / 20_000
    np.testing.assert_allclose(found, base * mixture.density(left, right), atol=0.02)


def test_draws_stay_on_their_axes():
    uniforms = np.random.default_rng(6).random((500, 1 + len(AXES)))
    uniforms[0], uniforms[1] = 0.0, np.nextafter(1.0, 0.0)

    drawn = mixture_of(AXES, positions(9)).draw(uniforms)

    low, high, _ = parzen._ends(AXES)
    assert ((drawn >= low) & (drawn <= high)).all()


def test_a_kernel_reaches_its_farther_neighbor_and_the_outermost_looks_inward():
    mixture = mixture_of([axis_of(FREE)], np.array([[0.5], [0.2], [0.9], [0.6]]))

    np.testing.assert_allclose(mixture.widths[:, 0], [0.3, 0.3, 0.3, 0.3, 1.0])


def test_kernels_are_no_narrower_than_their_number_allows():
    same = mixture_of([axis_of(FREE)], np.full((3, 1), 0.4))
    many = mixture_of([axis_of(FREE)], np.full((300, 1), 0.4))

    assert same.widths[:3, 0].tolist() == [0.2, 0.2, 0.2]
    assert many.widths[0, 0] == 0.01


def test_old_trials_weigh_less_than_new_ones_and_all_alike_while_there_are_few():
    few, many = (mixture_of([axis_of(FREE)], np.full((n, 1), 0.4)).weights for n in (25, 75))

    assert np.ptp(few) == 0.0
    assert many[0] == pytest.approx(many[-1] / 75)
    assert (np.diff(many[:50]) > 0.0).all()
    assert np.ptp(many[50:]) == 0.0
    assert many.sum() == pytest.approx(1.0)

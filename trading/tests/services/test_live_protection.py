"""Resting stops of running strategies: placed, replaced, met, canceled, as in the backtest."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from marketdata.selectors import bars_get, instant
from trading.engine import backtest
from trading.engine.types import AssetClass
from trading.models import Order
from trading.selectors.ledger import ledger_verify
from trading.services.pretrade import PAPER_SLIPPAGE_BPS
from trading.tests.services.test_runner import deploy, play, spx  # noqa: F401

pytestmark = pytest.mark.django_db
KEY = "volatility_adaptive_trend"
RESTING = {"protection": "resting", "trail_atr": 2.0, "target_atr.NORMAL": 2.5, "stop_atr": 1.5}


def config_of(instrument, start_index, preset, cash=100_000.0):
    return backtest.BacktestConfig(
        cash=cash,
        slippage_bps=PAPER_SLIPPAGE_BPS,
        cost_preset=preset,
        quantity_step=float(instrument.quantity_step),
        tick_size=float(instrument.tick_size),
        start_index=start_index,
        keeps_decisions=True,
    )


def filled(deployment):
    orders = Order.objects.filter(deployment=deployment, fills__isnull=False).order_by("pk")
    return [
        (order.side, order.order_type, order.quantity, order.fills.get().filled_at)
        for order in orders
    ]


def expected(run):
    closes = run.closed_at
    return [
        (
            str(order.side),
            str(order.order_type),
            order.quantity,
            instant(int(closes[fill.bar - run.first_bar])),
        )
        for order, fill in zip(run.orders, run.fills, strict=True)
    ]


@pytest.mark.parametrize("key", [KEY, "hybrid"])
def test_what_rests_live_is_filled_as_in_the_backtest(spx, key):  # noqa: F811
    bars = bars_get(spx)
    begin = int(np.searchsorted(bars.closed_at, np.datetime64("2008-08-01", "ns").astype(np.int64)))
    end = begin + 160
    parameters = RESTING if key == KEY else {"protection": "resting"}
    deployment = deploy(spx, key, parameters, start_at=instant(int(bars.closed_at[begin])))

    play(deployment.portfolio, instant(int(bars.closed_at[end])))
    config = config_of(spx, begin + 1, AssetClass.INDEX)
    run = backtest.run(bars.until(end), key, parameters, config)

    assert {"STOP_REACHED", "STOP_GAPPED", "TARGET_REACHED"} & set(run.fill_reasons)
    wanted = [(side, kind, Decimal(str(q)), at) for side, kind, q, at in expected(run)]
    assert filled(deployment) == wanted
    deployment.refresh_from_db()
    final = run.final_state.to_dict()
    assert deployment.state["cash"] == pytest.approx(final["cash"], rel=1e-12)
    assert {**deployment.state, "cash": 0, "equity": 0, "entry_bar": 0} == {
        **final, "cash": 0, "equity": 0, "entry_bar": 0,
    }  # fmt: skip
    assert ledger_verify(deployment.portfolio) == []

"""Invented values for the component page; nothing here is market data or anybody's money."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import cos, exp, pi, sin
from typing import Any

from django import forms
from django.core.paginator import Paginator

SAMPLE_NOW = datetime(2020, 3, 12, 19, 42, 10, tzinfo=UTC)
FIRST_DAY = date(2008, 6, 2)
N_BARS = 180


class SampleForm(forms.Form):
    """One field of each kind."""

    side = forms.ChoiceField(
        choices=[("BUY", "Buy"), ("SELL", "Sell")], widget=forms.RadioSelect, initial="BUY"
    )
    quantity = forms.DecimalField(help_text="Max 58 by the position limit.")
    order_type = forms.ChoiceField(choices=[("MARKET", "Market"), ("LIMIT", "Limit")])
    note = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 2}))
    is_reduce_only = forms.BooleanField(required=False, label="Only reduce the position")


def samples() -> dict[str, Any]:
    """Context of the component page: one long literal, a value for each component and state."""
    bars = sample_bars()
    wrong = SampleForm({"side": "BUY", "quantity": "−5", "order_type": "LIMIT"})
    wrong.add_error(None, "Buying power is short by 1,204.10 USD.")
    return {
        "now": SAMPLE_NOW,
        "regimes": ["LOW", "NORMAL", "HIGH", "EXTREME", None],
        "statuses": [
            "RUNNING",
            "PAUSED",
            "HALTED",
            "STOPPED",
            "DRAFT",
            "QUEUED",
            "SUCCEEDED",
            "FAILED",
            "ACCEPTED",
            "PARTIALLY_FILLED",
            "FILLED",
            "CANCELED",
            "REJECTED",
            "DENIED",
            "EXPIRED",
            "WARNING",
        ],
        "stream_states": STREAM_STATES,
        "zero": Decimal(0),
        "amount": Decimal("100000"),
        "gain": Decimal("1204.10"),
        "loss": Decimal("-7.00"),
        "small_price": Decimal("0.00148673"),
        "tick": Decimal("0.00000001"),
        "kpis": KPIS,
        "form": SampleForm(),
        "wrong_form": wrong,
        "tones": ["info", "ok", "warn", "crit"],
        "orders": ORDERS,
        "page": Paginator(range(1, 1843), 25).page(4),
        "heat_rows": [
            {
                "label": "2021",
                "cells": [
                    0.008,
                    -0.006,
                    0.024,
                    0.049,
                    0.0,
                    0.007,
                    -0.022,
                    None,
                    0.013,
                    -0.012,
                    0.03,
                    0.002,
                ],
            },
            {
                "label": "2022",
                "cells": [
                    -0.051,
                    -0.02,
                    0.019,
                    -0.044,
                    0.003,
                    -0.009,
                    0.052,
                    0.01,
                    -0.03,
                    0.021,
                    0.006,
                    -0.004,
                ],
            },
        ],
        "months": [
            "Jan",
            "Feb",
            "Mar",
            "Apr",
            "May",
            "Jun",
            "Jul",
            "Aug",
            "Sep",
            "Oct",
            "Nov",
            "Dec",
        ],
        "checks": CHECKS,
        "decision": DECISION,
        "changes": CHANGES,
        "steps": STEPS,
        "events": EVENTS,
        "phases": PHASES,
        "tabs": [
            {"label": "Overview", "href": "?tab=overview", "current": True},
            {"label": "Trades", "href": "?tab=trades", "count": 143},
            {"label": "Parameters", "href": "?tab=parameters"},
            {"label": "Logs", "href": "?tab=logs"},
        ],
        "timeframes": [
            {"label": "1m", "href": "?timeframe=1m"},
            {"label": "1h", "href": "?timeframe=1h"},
            {"label": "1d", "href": "?timeframe=1d", "current": True},
        ],
        "crumbs": [
            {"label": "Backtests", "href": "/backtests/"},
            {"label": "#1842", "href": "/backtests/1842/"},
        ],
        "spark_up": [b["close"] for b in bars[-40:]],
        "spark_down": [-b["close"] for b in bars[-40:]],
        "segments": [
            {"regime": "LOW", "weight": 60, "title": "Low, 60 days"},
            {"regime": "NORMAL", "weight": 55, "title": "Normal, 55 days"},
            {"regime": "HIGH", "weight": 35, "title": "High, 35 days"},
            {"regime": "EXTREME", "weight": 30, "title": "Extreme, 30 days"},
        ],
        "null_sharpes": [0.1 + 0.45 * sin(i * 1.7) * cos(i * 0.31) for i in range(400)],
        "ci_rows": [
            {"label": "Low", "value": 0.56, "low": 0.42, "high": 0.69},
            {"label": "Normal", "value": 0.52, "low": 0.40, "high": 0.64},
            {"label": "High", "value": 0.48, "low": 0.31, "high": 0.66},
            {"label": "Extreme", "value": -0.1, "low": -0.5, "high": 0.4},
        ],
        "candles": {
            "symbol": "SAMPLE",
            "timeframe": "1d",
            "tick": "0.01",
            "bars": bars,
            "markers": [
                {
                    "time": bars[61]["time"],
                    "kind": "buy",
                    "text": "40",
                    "label": "Bought 40 at 102.10",
                },
                {
                    "time": bars[118]["time"],
                    "kind": "sell",
                    "text": "40",
                    "label": "Sold 40 at 110.40",
                },
                {
                    "time": bars[140]["time"],
                    "kind": "signal",
                    "text": "",
                    "label": "Signal not traded",
                },
            ],
        },
        "equity": sample_equity(bars),
        "until": SAMPLE_NOW + timedelta(seconds=42),
        "code": 'curl -H "Accept: application/json" https://elson.example/api/v1/bars?symbol=SPX',
    }


def sample_bars() -> list[dict[str, Any]]:
    """Invent a smooth price path that is in every regime once."""
    bars: list[dict[str, Any]] = []
    close = 100.0
    for i in range(N_BARS):
        shake = (0.4, 0.8, 1.6, 2.6)[min(3, i // 45)]
        before = close
        close = 100 * exp(
            0.0006 * i + 0.004 * shake * sin(i * 2.399) + 0.02 * shake * sin(2 * pi * i / 61)
        )
        bars.append(
            {
                "time": (FIRST_DAY + timedelta(days=i)).isoformat(),
                "open": round(before, 2),
                "high": round(max(before, close) + 0.3 * shake, 2),
                "low": round(min(before, close) - 0.3 * shake, 2),
                "close": round(close, 2),
                "volume": int(1_000_000 * (1 + 0.5 * abs(sin(i * 0.7)) * shake)),
                "regime": ("LOW", "NORMAL", "HIGH", "EXTREME")[min(3, i // 45)],
            }
        )
    return bars


def sample_equity(bars: list[dict[str, Any]]) -> dict[str, Any]:
    """Invent an equity chart with benchmark, band and drawdown."""
    peak, equity, drawdown = 0.0, [], []
    for i, bar in enumerate(bars):
        value = 1000 * bar["close"] * (1 + 0.0004 * i)
        peak = max(peak, value)
        equity.append([bar["time"], round(value, 2)])
        drawdown.append([bar["time"], round(value / peak - 1, 6)])
    return {
        "currency": "USD",
        "series": [
            {"name": "Strategy", "role": "strategy", "points": equity},
            {
                "name": "Buy and hold",
                "role": "benchmark",
                "points": [[b["time"], 1000 * b["close"]] for b in bars],
            },
            {
                "name": "Random entries, median",
                "role": "null_median",
                "points": [[b["time"], 100000 + 20 * i] for i, b in enumerate(bars)],
            },
        ],
        "band": [[b["time"], 100000 - 90 * i, 100000 + 130 * i] for i, b in enumerate(bars)],
        "drawdown": drawdown,
        "in_sample_until": bars[90]["time"],
        "regimes": [[b["time"], b["regime"]] for b in bars],
    }


STREAM_STATES = [
    ("live", "Live · 0.4 s"),
    ("replay", "Replay 60×"),
    ("delayed", "Delayed · 4 s"),
    ("catching-up", "Catching up"),
    ("connecting", "Connecting"),
    ("reconnecting", "Reconnecting · 3 s"),
    ("stale", "Stale since 15:42:10"),
    ("offline", "Offline"),
    ("paused", "Paused (tab hidden)"),
    ("closed", "Market closed · opens 09:30 EST"),
    ("signed-out", "Signed out"),
]

KPIS = [
    {"label": "Equity", "value": "$101,204.10", "note": "Started with $100,000.00", "lead": True},
    {"label": "Today", "value": "+$1,204.10", "note": "+1.20%"},
    {"label": "Buying power", "value": "$61,204.70"},
    {"label": "Exposure", "value": "39.5%", "note": "gross, of equity"},
    {"label": "Win rate", "value": "56%", "note": "42–69, n=48"},
]

ORDERS = [
    {
        "symbol": "SPX",
        "side": "Buy",
        "quantity": Decimal(40),
        "price": Decimal("1282.83"),
        "status": "FILLED",
        "pnl": Decimal("1204.10"),
        "at": SAMPLE_NOW,
    },
    {
        "symbol": "NDX",
        "side": "Sell",
        "quantity": Decimal("12.5"),
        "price": Decimal("2370.88"),
        "status": "ACCEPTED",
        "pnl": Decimal(0),
        "at": SAMPLE_NOW - timedelta(minutes=9),
    },
    {
        "symbol": "AAPL",
        "side": "Buy",
        "quantity": Decimal("0.0015"),
        "price": Decimal("5.91"),
        "status": "DENIED",
        "pnl": Decimal("-7"),
        "at": SAMPLE_NOW - timedelta(days=1),
    },
]

CHECKS = [
    {"mark": "ok", "label": "Buying power", "value": "$61,204.70 left"},
    {
        "mark": "warn",
        "label": "Position weight",
        "value": "20.4% of 25%",
        "why": "Above 80 % of the limit.",
    },
    {
        "mark": "crit",
        "label": "Order notional",
        "value": "$12,500 of $10,000",
        "why": "notional 12,500 USD exceeds the limit of 10,000 USD",
    },
]

DECISION = {
    "sentence": "Bought 40 SPX because RSI(2) fell to 8.1, under the threshold of 10 for the "
    "High regime, while the close stood above its 200-day average. "
    "Size was cut to 60 %: realized volatility is 31 % a year.",
    "at": SAMPLE_NOW,
    "regime": "HIGH",
    "href": "#why",
    "strategy": "Demo: Vol-Adaptive Trend",
    "inputs": [
        {"label": "RSI(2)", "value": "8.1"},
        {"label": "Realized volatility, 20 days", "value": "31.0% a year"},
    ],
    "checks": CHECKS[:2],
    "sizing": [
        {
            "label": "Target volatility ÷ realized",
            "value": "0.10 ÷ 0.31 = 0.32",
        },
        {"label": "× equity ÷ price", "value": "0.32 × 100,000 ÷ 812 = 40"},
    ],
    "counterfactual": "No trade if RSI(2) had stayed above 10 or the regime had been Extreme.",
}

CHANGES = [
    {"label": "Size cap", "before": "1.0", "after": "0.6", "because": "Regime High"},
    {"label": "RSI threshold", "before": "10", "after": "10", "because": ""},
]

STEPS = [
    {"label": "Created", "at": SAMPLE_NOW, "state": "done"},
    {"label": "Risk checked", "at": SAMPLE_NOW, "state": "done", "detail": "5 rules passed"},
    {"label": "Accepted", "at": SAMPLE_NOW, "state": "now", "detail": "Fills on the next bar"},
    {"label": "Filled", "state": "todo"},
]

EVENTS = [
    {
        "icon": "fill",
        "text": "Bought 40 SPX at 1,282.83",
        "detail": "Demo: Vol-Adaptive Trend",
        "at": SAMPLE_NOW,
        "href": "#orders",
    },
    {
        "icon": "decision",
        "text": "No trade: regime Extreme",
        "detail": "RSI(2) 4.2",
        "at": SAMPLE_NOW - timedelta(minutes=1),
    },
    {
        "icon": "ledger",
        "text": "Opening balance +$100,000.00",
        "at": SAMPLE_NOW - timedelta(minutes=5),
    },
]

PHASES = [
    {"label": "Loading data", "state": "done"},
    {"label": "Warm-up", "state": "done"},
    {"label": "Simulating 2019-04", "state": "now"},
    {"label": "Statistics", "state": "todo"},
]

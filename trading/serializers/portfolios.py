"""Portfolios, holdings, books and their history as the API writes them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from trading.serializers.fields import AmountField


class PortfolioSerializer(serializers.Serializer[Any]):
    """What the caller's portfolio is worth; ratios are fractions of equity."""

    id = serializers.IntegerField(source="portfolio_id")
    name = serializers.CharField()
    kind = serializers.CharField()
    currency = serializers.CharField()
    market_at = serializers.DateTimeField(allow_null=True)
    opening_cash = AmountField()
    cash = AmountField()
    reserved_cash = AmountField()
    available_cash = AmountField()
    buying_power = AmountField()
    positions_value = AmountField()
    equity = AmountField()
    day_start_equity = AmountField()
    day_pnl = AmountField()
    day_return = serializers.FloatField()
    total_pnl = AmountField()
    total_return = serializers.FloatField()
    realized_pnl = AmountField()
    unrealized_pnl = AmountField()
    commission_total = AmountField()
    gross_exposure = AmountField()
    net_exposure = AmountField()
    gross_ratio = serializers.FloatField()
    net_ratio = serializers.FloatField()
    daily_loss_limit = AmountField()
    daily_loss_left = AmountField()
    daily_loss_used_ratio = serializers.FloatField()
    n_positions = serializers.IntegerField()
    n_open_orders = serializers.IntegerField()
    n_unpriced = serializers.IntegerField()


class PositionSerializer(serializers.Serializer[Any]):
    """One holding; `weight` is a signed fraction of equity."""

    symbol = serializers.CharField()
    name = serializers.CharField()
    side = serializers.CharField()
    quantity = AmountField()
    avg_entry_price = AmountField()
    last_price = AmountField(allow_null=True)
    last_price_at = serializers.DateTimeField(allow_null=True)
    market_value = AmountField()
    cost_basis = AmountField()
    unrealized_pnl = AmountField()
    unrealized_ratio = serializers.FloatField()
    realized_pnl = AmountField()
    commission_total = AmountField()
    weight = serializers.FloatField()
    opened_at = serializers.DateTimeField(allow_null=True)
    strategies = serializers.ListField(child=serializers.CharField())


class PositionsSerializer(serializers.Serializer[Any]):
    """Every open holding, the largest first."""

    results = PositionSerializer(many=True)


class PostingSerializer(serializers.Serializer[Any]):
    """One line of an entry: debit positive, credit negative."""

    account = serializers.CharField(source="account.kind")
    symbol = serializers.CharField(source="instrument.symbol", allow_null=True, default=None)
    amount = AmountField()


class JournalEntrySerializer(serializers.Serializer[Any]):
    """One business event in the books; its postings sum to zero."""

    sequence = serializers.IntegerField()
    kind = serializers.CharField()
    description = serializers.CharField()
    market_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()
    order_id = serializers.UUIDField(source="fill.order.uuid", allow_null=True, default=None)
    postings = PostingSerializer(many=True)


class BalanceSerializer(serializers.Serializer[Any]):
    """Balance of one account, debit positive."""

    account = serializers.CharField(source="kind")
    balance = AmountField()
    n_postings = serializers.IntegerField()


class BooksSerializer(serializers.Serializer[Any]):
    """Balances, and whether they agree with each other and with the positions."""

    balances = BalanceSerializer(many=True)
    total = AmountField()
    n_entries = serializers.IntegerField()
    equity_from_books = AmountField()
    is_balanced = serializers.BooleanField()


class ActivitySerializer(serializers.Serializer[Any]):
    """One thing that happened."""

    kind = serializers.CharField()
    symbol = serializers.CharField(allow_blank=True)
    text = serializers.CharField()
    detail = serializers.CharField(allow_blank=True)
    href = serializers.CharField()
    market_at = serializers.DateTimeField(source="at")
    created_at = serializers.DateTimeField()


class ActivityPageSerializer(serializers.Serializer[Any]):
    """A page of the time line, newest first."""

    next = serializers.CharField(allow_null=True, help_text="Address of the older page.")
    results = ActivitySerializer(many=True)


class EquityPointSerializer(serializers.Serializer[Any]):
    """Equity at the close of one bar."""

    market_at = serializers.DateTimeField()
    equity = AmountField()
    cash = AmountField()
    gross_exposure = AmountField()
    net_exposure = AmountField()
    regime = serializers.CharField(allow_blank=True)

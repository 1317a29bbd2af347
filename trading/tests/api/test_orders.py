"""Orders over REST: once per key, refused with a name, canceled twice alike, listed in pages."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trading.models import Order, RiskLimits
from trading.services.fills import fill_record
from trading.services.orders import order_submit
from trading.tests.factories import FIRST_CLOSE, NOW, instrument_make, portfolio_make, user_make

pytestmark = pytest.mark.django_db
ORDER = {"symbol": "SPX", "side": "BUY", "order_type": "MARKET", "quantity": "10"}


@pytest.fixture
def owner():
    return user_make()


@pytest.fixture
def portfolio(owner):
    return portfolio_make(owner, lead=instrument_make("SPX", [100.0] * 5))


@pytest.fixture
def api(client, owner, portfolio):
    client.force_login(owner)
    return client


def send(api, body=ORDER, key="key-1", path="orders/"):
    headers = {"Idempotency-Key": key} if key is not None else {}
    return api.post(f"/api/v1/{path}", body, content_type="application/json", headers=headers)


def test_an_order_is_placed_and_answered_with_exact_strings(api):
    response = send(api)

    body = response.json()
    assert response.status_code == 201
    assert response["Location"] == f"/api/v1/orders/{body['id']}/"
    assert (body["status"], body["quantity"]) == ("ACCEPTED", "10.00000000")
    assert body["client_order_id"] == "key-1"
    assert body["created_at"].endswith("Z")
    assert [event["to_status"] for event in body["events"]] == [
        "INITIALIZED", "SUBMITTED", "ACCEPTED",
    ]  # fmt: skip
    assert {rule["status"] for rule in body["risk_check"]} <= {"PASS", "WARN"}


def test_the_same_key_again_answers_the_same_order(api):
    first, second = send(api), send(api, {**ORDER, "quantity": "10.00"})

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert Order.objects.count() == 1


def test_the_same_key_with_another_body_is_refused(api):
    send(api)

    response = send(api, {**ORDER, "quantity": "11"})

    assert response.status_code == 422
    assert response.json()["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert Order.objects.count() == 1


@pytest.mark.parametrize(
    ("key", "code"), [(None, "MISSING"), ("", "MISSING"), ("x" * 81, "TOO_LONG"), ("é", "INVALID")]
)
def test_an_order_without_a_usable_key_is_refused(api, key, code):
    response = send(api, key=key)

    assert response.status_code == 400
    assert response.json()["code"] == f"IDEMPOTENCY_KEY_{code}"
    assert not Order.objects.exists()


@pytest.mark.parametrize("path", ["orders/", "orders/preview/"])
@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"quantity": "0"}, 422, "INVALID_QUANTITY", "quantity"),
        ({"quantity": "-5"}, 422, "INVALID_QUANTITY", "quantity"),
        ({"quantity": "-0"}, 422, "INVALID_QUANTITY", "quantity"),
        ({"quantity": "1e-30"}, 422, "INVALID_QUANTITY", "quantity"),
        ({"quantity": "1e30"}, 422, "INVALID_QUANTITY", "quantity"),
        ({"quantity": "1,000"}, 422, "INVALID_QUANTITY", "quantity"),
        ({"quantity": "1_000"}, 422, "INVALID_QUANTITY", "quantity"),
        ({"quantity": "\uff11"}, 422, "INVALID_QUANTITY", "quantity"),
        ({"quantity": "0x10"}, 422, "INVALID_QUANTITY", "quantity"),
        ({"quantity": "NaN"}, 422, "INVALID_QUANTITY", "quantity"),
        ({"quantity": True}, 422, "INVALID_QUANTITY", "quantity"),
        ({"quantity": []}, 422, "INVALID_QUANTITY", "quantity"),
        ({"quantity": 1.5}, 422, "INVALID_QUANTITY", "quantity"),
        ({"quantity": "1.1234567890123456789"}, 422, "INVALID_QUANTITY", "quantity"),
        ({"quantity": None}, 422, "INVALID", "quantity"),
        ({"order_type": "LIMIT"}, 422, "LIMIT_PRICE_MISSING", "limit_price"),
        ({"limit_price": "10"}, 422, "LIMIT_PRICE_NOT_ALLOWED", "limit_price"),
        ({"side": "HOLD"}, 422, "INVALID_SIDE", "side"),
        ({"time_in_force": "GTD"}, 422, "INVALID_TIME_IN_FORCE", "time_in_force"),
        ({"symbol": "NOPE"}, 404, "UNKNOWN_SYMBOL", None),
        ({"symbol": "../x"}, 404, "UNKNOWN_SYMBOL", None),
        ({"symbol": "x" * 1_000}, 422, "INVALID", "symbol"),
        ({"status": "FILLED"}, 400, "UNKNOWN_FIELD", "status"),
        ({"user": 1}, 400, "UNKNOWN_FIELD", "user"),
    ],
)
def test_bad_orders_are_refused_by_name_before_anything_is_written(
    api, path, change, status, code, field
):
    response = send(api, {**ORDER, **change}, path=path)

    body = response.json()
    assert (response.status_code, body["code"]) == (status, code)
    assert response["Content-Type"] == "application/problem+json"
    assert field is None or body["field"] == field
    assert not Order.objects.exists()


def test_a_denied_order_is_stored_and_answered_with_its_numbers(api, portfolio):
    RiskLimits.objects.filter(portfolio=portfolio).update(max_order_notional=Decimal(999))

    first, second = send(api), send(api)

    body = first.json()
    assert first.status_code == second.status_code == 422
    assert body["code"] == "MAX_NOTIONAL"
    assert body["detail"] == "Notional 1,000.00 USD exceeds the limit of 999.00 USD."
    order = Order.objects.get()
    assert (order.status, str(order.uuid)) == ("DENIED", body["order_id"])
    assert second.json()["order_id"] == body["order_id"]


def test_a_preview_shows_costs_and_rules_and_stores_nothing(api):
    body = send(api, path="orders/preview/", key=None).json()

    assert body["is_allowed"] is True
    assert body["buying_power_before"] == "100000.00000000"
    assert Decimal(body["costs"]["reserve"]) >= 1_000
    assert body["position_after"] == "10.00000000"
    assert not Order.objects.exists()


def test_a_second_cancel_answers_the_same(api):
    where = send(api).json()["id"]

    first, second = (send(api, None, path=f"orders/{where}/cancel/") for _ in range(2))

    assert first.status_code == second.status_code == 200
    assert first.json()["status"] == "CANCELED"
    assert first.json()["reserved_cash"] == "0.00000000"
    assert first.json() == second.json()


def test_a_filled_order_cannot_be_canceled(api):
    where = send(api).json()["id"]
    order = Order.objects.get()
    fill_record(
        order=order,
        trade_id="t",
        quantity=order.quantity,
        price=Decimal(100),
        filled_at=FIRST_CLOSE,
    )

    response = send(api, None, path=f"orders/{where}/cancel/")

    assert response.status_code == 409
    assert (response.json()["code"], response.json()["order_status"]) == ("ORDER_FINAL", "FILLED")


def test_orders_come_in_cursor_pages_newest_first(api, portfolio):
    for n in range(5):
        order_submit(
            portfolio=portfolio, instrument=portfolio.replay.lead, side="BUY", order_type="MARKET",
            quantity="1", client_order_id=f"o{n}", now=NOW,
        )  # fmt: skip

    found, address = [], "/api/v1/orders/?page_size=2"
    while address:
        page = api.get(address).json()
        found += [row["client_order_id"] for row in page["results"]]
        address = page["next"]

    assert found == ["o4", "o3", "o2", "o1", "o0"]


@pytest.mark.parametrize(
    ("query", "code"),
    [("sort=password", "UNKNOWN_PARAMETER"), ("status=odd", "INVALID_STATUS")],
)
def test_unknown_filters_are_refused_by_name(api, query, code):
    response = api.get(f"/api/v1/orders/?{query}")

    assert (response.status_code, response.json()["code"]) == (400, code)


@pytest.mark.parametrize(
    ("path", "n_queries"),
    [("orders/", 4), ("ledger/", 5), ("positions/", 7), ("activity/", 7), ("strategies/", 3),
     ("deployments/", 4), ("equity/", 4)],
)  # fmt: skip
def test_lists_ask_the_database_a_fixed_number_of_times(
    api, portfolio, django_assert_max_num_queries, path, n_queries
):
    for n in range(8):
        order = order_submit(
            portfolio=portfolio, instrument=portfolio.replay.lead, side="BUY", order_type="MARKET",
            quantity="1", client_order_id=f"o{n}", now=NOW,
        )  # fmt: skip
        fill_record(
            order=order, trade_id="t", quantity=order.quantity, price=Decimal(100),
            filled_at=FIRST_CLOSE,
        )  # fmt: skip

    with django_assert_max_num_queries(n_queries + 2):  # the session and its user
        assert api.get(f"/api/v1/{path}").status_code == 200

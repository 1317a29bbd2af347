"""Addresses of trading: no pattern stands before another that it would hide."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.urls import URLPattern, URLResolver, resolve, reverse

from trading.urls import SUBJECTS, urlpatterns

# One value of each kind of converter, and the token of a shared backtest.
SAMPLES = {"Int": 7, "String": "X7", "Slug": "else", "UUID": UUID(int=7), "token": "t" * 43}


def every(found: list[URLPattern | URLResolver]) -> Iterator[URLPattern]:
    for item in found:
        if isinstance(item, URLResolver):
            yield from every(item.url_patterns)
        else:
            yield item


def values_of(pattern: URLPattern) -> dict[str, Any]:
    named = {
        name: SAMPLES[type(converter).__name__.removesuffix("Converter")]
        for name, converter in pattern.pattern.converters.items()
    }
    written = re.findall(r"\(\?P<(\w+)>", str(pattern.pattern))
    return named | {name: SAMPLES[name] for name in written}


def test_every_address_leads_to_its_own_page_or_door():
    patterns = list(every(urlpatterns))

    hidden = [
        pattern.name
        for pattern in patterns
        if resolve(reverse(pattern.name, kwargs=values_of(pattern))).func != pattern.callback
    ]

    assert hidden == []
    assert len({pattern.name for pattern in patterns}) == len(patterns)


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "post"])
def test_no_door_opens_without_signing_in(client, method):
    doors = [door for subject in SUBJECTS for door in subject.DOORS]

    answers = {
        door.name: getattr(client, method)(reverse(door.name, kwargs=values_of(door))).status_code
        for door in doors
    }

    assert {name for name, status in answers.items() if status != 401} == set()
    assert len(answers) == len(doors) > 0

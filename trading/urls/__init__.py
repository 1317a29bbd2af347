"""Addresses of trading, each in the module of its subject: pages, and doors below /api/v1/."""

from django.urls import URLPattern, URLResolver, include, path

from trading.urls import backtests, models, orders, strategies, studies

SUBJECTS = (orders, strategies, backtests, studies, models)

urlpatterns: list[URLPattern | URLResolver] = [
    *(page for subject in SUBJECTS for page in subject.PAGES),
    path("api/v1/", include([door for subject in SUBJECTS for door in subject.DOORS])),
]

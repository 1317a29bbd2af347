"""The type of requests that only members can make."""

from __future__ import annotations

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from accounts.models import User


class MemberRequest(HttpRequest):
    """A request of somebody signed in: what views behind login_required get."""

    user: User
    htmx: HtmxDetails

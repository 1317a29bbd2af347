"""Acts of staff on rows of others: chosen in a list or on a page, asked about, then the service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.models import User
from elson.common.admin import CsvAdmin
from elson.common.errors import DomainError, NotFound
from elson.common.formatting import parse_whole
from trading.models import StaffAct
from trading.services.staff_acts import ACTS, ActReasonInvalid, staff_act, state_of

MOST_ROWS = 100


class StaffActsMixin:
    """Adds what staff may do to the rows of a table: one page asks for the reason of every act."""

    change_form_template: Any = "admin/acts_change.html"

    @property
    def acts(self) -> dict[str, Any]:
        """Return the acts of this table by name."""
        return ACTS[self.model]  # type: ignore[attr-defined]

    def may_act(self, request: HttpRequest) -> bool:
        """Tell whether this person may change such rows; everybody else only reads them."""
        return bool(request.user.has_perm(f"trading.change_{self._kind}"))

    @property
    def _kind(self) -> str:
        return str(cast(Any, self).opts.model_name)

    @property
    def _address(self) -> str:
        return f"trading_{self._kind}_act"

    def get_urls(self) -> list[Any]:
        """Add the address of the page that asks."""
        view: Any = self
        address = path(
            "act/<slug:name>/", view.admin_site.admin_view(self.act_view), name=self._address
        )
        return [address, *super().get_urls()]  # type: ignore[misc]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer each act for the chosen rows of a list, to people who may."""
        if not self.may_act(request):
            return {}
        label = f"{{}}: chosen {cast(Any, self).opts.verbose_name_plural}"
        return {
            name: (self._asking(name), name, label.format(act.label))
            for name, act in self.acts.items()
        }

    def _asking(self, name: str) -> Callable[..., HttpResponse]:
        def ask(view: Any, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse:
            ids = [str(pk) for pk in rows.values_list("pk", flat=True)[: MOST_ROWS + 1]]
            if len(ids) > MOST_ROWS:
                messages.warning(request, f"At most {MOST_ROWS} at once: the first {MOST_ROWS}.")
            return HttpResponseRedirect(self._link(name, ids[:MOST_ROWS]))

        return ask

    def _link(self, name: str, ids: list[str]) -> str:
        query = urlencode({"ids": ",".join(ids)})
        return f"{reverse(f'admin:{self._address}', args=[name])}?{query}"

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Offer the acts this row's state allows to people who may."""
        row = kwargs.get("obj")
        if row is not None and self.may_act(request):
            context["acts"] = [
                (self._link(name, [str(row.pk)]), act.label)
                for name, act in self.acts.items()
                if state_of(row) in act.states
            ]
        response: HttpResponse = super().render_change_form(  # type: ignore[misc]
            request, context, *args, **kwargs
        )
        return response

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show what staff did to it above every column."""
        return ["staff_acts", *super().get_fields(request, obj)]  # type: ignore[misc]

    @admin.display(description="acts of staff")
    def staff_acts(self, row: Any) -> SafeString:
        """List who did what and why, newest first."""
        rows = StaffAct.objects.filter(kind=self._kind, row_id=row.pk).select_related("actor")
        acts = list(rows.order_by("-created_at", "-pk"))
        return render_to_string("admin/_staff_acts.html", {"acts": acts})

    def act_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Ask for a reason, then do it row by row; each refusal is shown with its sentence."""
        if not self.may_act(request):
            raise PermissionDenied
        if name not in self.acts:
            raise NotFound("act of staff", name)
        given = request.POST if request.method == "POST" else request.GET
        ids = [parse_whole(part) for part in given.get("ids", "").split(",")][:MOST_ROWS]
        numbers = list(dict.fromkeys(number for number in ids if number is not None))
        error = "" if numbers else "No row was chosen."
        if request.method == "POST" and numbers:
            try:
                return self._act(request, name, numbers)
            except ActReasonInvalid as refused:
                error = refused.message
        return self._page(request, name, numbers, error)

    def _act(self, request: HttpRequest, name: str, ids: list[int]) -> HttpResponse:
        view: Any = self
        done: list[StaffAct] = []
        refused: list[str] = []
        # A staff page is a door, so it may read the clock.
        now = timezone.now()  # noqa: TID251
        for number in ids:
            try:
                made = staff_act(
                    model=view.model, name=name, row_id=number, actor=cast(User, request.user),
                    reason=request.POST.get("reason", ""), now=now,
                )  # fmt: skip
            except ActReasonInvalid:
                raise
            except DomainError as error:
                refused.append(error.message)
            else:
                done.append(made)
        for text in refused:
            messages.error(request, text)
        if done:
            label = self.acts[name].label
            messages.success(request, f"{label}: {', '.join(act.row for act in done)[:400]}.")
        if len(ids) == 1:
            page = reverse(f"admin:trading_{self._kind}_change", args=ids)
        else:
            page = reverse(f"admin:trading_{self._kind}_changelist")
        return HttpResponseRedirect(page)

    def _page(self, request: HttpRequest, name: str, ids: list[int], error: str) -> HttpResponse:
        view: Any = self
        act = self.acts[name]
        rows = view.get_queryset(request).select_related(*(view.list_select_related or ()))
        chosen = [
            {"row": row, "state": state_of(row), "is_open": state_of(row) in act.states}
            for row in rows.filter(pk__in=ids)
        ]
        context = view.admin_site.each_context(request) | {
            "title": f"{act.label}: {view.opts.verbose_name if len(ids) == 1 else 'several'}",
            "act": act,
            "chosen": chosen,
            "ids": ",".join(str(number) for number in ids),
            "reason": request.POST.get("reason", ""),
            "error": error,
            "back": reverse(f"admin:trading_{self._kind}_changelist"),
        }
        status = 422 if error else 200
        return TemplateResponse(request, "admin/staff_act.html", context, status=status)


class SeenFilter(admin.SimpleListFilter):
    """Rows somebody of the staff acknowledged, or nobody yet."""

    title = "acknowledged"
    parameter_name = "acknowledged"

    def lookups(self, request: HttpRequest, view: Any) -> list[tuple[str, str]]:
        """Offer both."""
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Look for the act."""
        if self.value() not in ("yes", "no"):
            return queryset
        seen = Exists(seen_acts(str(queryset.model._meta.model_name)))
        return queryset.filter(seen if self.value() == "yes" else ~seen)


def seen_acts(kind: str) -> QuerySet[StaffAct]:
    """Acknowledgments of the row of an outer query, newest first."""
    rows = StaffAct.objects.filter(kind=kind, row_id=OuterRef("pk"), act="acknowledge")
    return rows.order_by("-created_at")


@admin.register(StaffAct)
class StaffActAdmin(CsvAdmin):
    """Everything staff did to what belongs to somebody else; nobody can change it."""

    list_display = ("created_at", "actor", "act", "kind", "row", "before", "after", "reason")
    list_filter = ("kind", "act", "after")
    list_select_related = ("actor",)
    search_fields = ("actor__email", "reason", "row", "=row_id")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-id")

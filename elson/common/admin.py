"""What the staff pages of every app share, and the rows of the shared floor."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import label_for_field, lookup_field
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django_celery_beat.admin import PeriodicTaskAdmin
from django_celery_beat.models import PeriodicTask

from elson.common.listing import csv_response
from elson.common.models import Heartbeat, OutboxEvent

CSV_CHUNK = 1_000  # rows in memory at once


class ReadOnlyMixin:
    """Rows that only services write: no add, no edit, no delete, whoever asks."""

    actions: Any = None

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show every column, those no form could edit as well."""
        view: Any = self
        hidden = view.exclude or ()
        columns = [field.name for field in view.model._meta.fields if field.name not in hidden]
        return list(view.fields or columns)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Read all of it."""
        return self.get_fields(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


class ReadOnlyAdmin(ReadOnlyMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """A list and a page to look at."""

    list_per_page = 50
    show_full_result_count = False


class CsvAdmin(ReadOnlyAdmin):
    """A list whose filtered rows can be saved, with the columns it shows."""

    change_list_template = "admin/csv_change_list.html"
    # Large columns that no line of the file shows.
    csv_defer: tuple[str, ...] = ()

    def get_urls(self) -> list[Any]:
        """Add the address of the file, before the one that takes any word as a row."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_csv"
        view = self.admin_site.admin_view(self.csv_view)
        return [path("csv/", view, name=name), *super().get_urls()]

    def csv_view(self, request: HttpRequest) -> HttpResponse:
        """Write every row that the filters in the address leave."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            changelist = self.get_changelist_instance(request)
        except IncorrectLookupParameters:  # the list says so too
            name = f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"
            return HttpResponseRedirect(f"{reverse(name)}?{ERROR_FLAG}=1")
        columns = [
            (str(label_for_field(name, self.model, self)), self._reader(name))
            for name in self.get_list_display(request)
        ]
        rows = changelist.get_queryset(request).defer(*self.csv_defer)
        read = rows.iterator(chunk_size=CSV_CHUNK)
        return csv_response(f"{self.opts.model_name}.csv", columns, read)

    def _reader(self, name: Any) -> Callable[[Any], Any]:
        def read(row: Any) -> Any:
            value = lookup_field(name, row, self)[2]
            return value.isoformat() if isinstance(value, dt.date) else value

        return read


class ReadOnlyInline(ReadOnlyMixin, admin.TabularInline):  # type: ignore[type-arg]
    """Rows that belong to another one, to look at."""

    extra = 0
    can_delete = False


@admin.register(OutboxEvent)
class OutboxEventAdmin(ReadOnlyAdmin):
    """Jobs and when they left."""

    list_display = ("id", "name", "created_at", "sent_at", "n_attempts", "last_error")
    list_filter = ("name", ("sent_at", admin.EmptyFieldListFilter))
    search_fields = ("name",)
    date_hierarchy = "created_at"
    ordering = ("-id",)


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnlyAdmin):
    """Which processes are alive."""

    list_display = ("component", "process", "beaten_at")
    list_filter = ("component",)
    ordering = ("-beaten_at",)


admin.site.unregister(PeriodicTask)


@admin.register(PeriodicTask)
class ScheduleAdmin(PeriodicTaskAdmin):  # type: ignore[misc]
    """The schedule, without the inline script of the package's own form page."""

    change_form_template = None


class NamedBlankFilter(admin.AllValuesFieldListFilter):
    """Every value of a text column, the empty one by a name: a link needs words."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Name the empty value "none"."""
        for choice in super().choices(changelist):
            yield choice if str(choice["display"]).strip() else {**choice, "display": "none"}

"""People for staff: who they are, how they sign in, what they may do."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from simple_history.admin import SimpleHistoryAdmin

from accounts.models import Entitlement, Profile, User
from elson.common.admin import ReadOnlyAdmin


class ProfileInline(admin.StackedInline):
    """How the person reads Elson."""

    model = Profile
    can_delete = False
    extra = 0


class EntitlementInline(admin.TabularInline):
    """What the person may do beyond the free plan."""

    model = Entitlement
    extra = 0


@admin.register(User)
class UserAdmin(DjangoUserAdmin):
    """People, found by e-mail address; never deleted, because their books stay."""

    list_display = (
        "email",
        "date_joined",
        "last_login",
        "has_second_factor",
        "is_active",
        "is_staff",
        "is_demo",
    )
    list_filter = ("is_active", "is_staff", "is_demo", "date_joined")
    search_fields = ("email",)
    ordering = ("-date_joined",)
    readonly_fields = ("date_joined", "last_login", "is_demo")
    filter_horizontal = ("groups", "user_permissions")
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        ("State", {"fields": ("is_active", "is_demo", "date_joined", "last_login")}),
        ("Staff", {"fields": ("is_staff", "is_superuser", "groups", "user_permissions")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "usable_password", "password1", "password2")}),)
    inlines = (ProfileInline, EntitlementInline)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Know about second factors without a query a row."""
        factors = Authenticator.objects.filter(user=OuterRef("pk")).exclude(
            type=Authenticator.Type.RECOVERY_CODES
        )
        return super().get_queryset(request).annotate(has_factor=Exists(factors))

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Show profile and entitlements of people who exist."""
        return self.inlines if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: deactivate instead."""
        return False

    @admin.display(boolean=True, description="second factor")
    def has_second_factor(self, user: User) -> bool:
        """Tell whether a password alone does not get in."""
        return bool(user.has_factor)  # type: ignore[attr-defined]


@admin.register(Profile)
class ProfileAdmin(SimpleHistoryAdmin):
    """How people read Elson."""

    list_display = ("user", "display_name", "time_zone", "number_format", "theme", "onboarded_at")
    list_filter = ("number_format", "theme", "up_down")
    list_select_related = ("user",)
    search_fields = ("user__email", "display_name")
    autocomplete_fields = ("user",)
    ordering = ("-id",)


@admin.register(Entitlement)
class EntitlementAdmin(SimpleHistoryAdmin):
    """What was granted, by whom, until when."""

    list_display = ("user", "key", "value", "source", "expires_at", "updated_at")
    list_filter = ("key", "source")
    list_select_related = ("user",)
    search_fields = ("user__email", "key", "source")
    autocomplete_fields = ("user",)
    ordering = ("-updated_at",)


admin.site.unregister(Authenticator)
admin.site.unregister(EmailAddress)


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnlyAdmin):
    """Second factors: that they exist, never their secrets."""

    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    list_select_related = ("user",)
    search_fields = ("user__email",)
    exclude = ("data",)
    ordering = ("-created_at",)


@admin.register(EmailAddress)
class EmailAddressAdmin(admin.ModelAdmin):
    """Addresses people sign in with."""

    list_display = ("email", "user", "primary", "verified")
    list_filter = ("primary", "verified")
    list_select_related = ("user",)
    search_fields = ("email", "user__email")
    autocomplete_fields = ("user",)
    ordering = ("email",)

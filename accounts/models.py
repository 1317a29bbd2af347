"""Who the user is, how they like to read, and what they may do."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from simple_history.models import HistoricalRecords

from elson.common.models import TimestampedModel


class UserManager(BaseUserManager["User"]):
    """Makes users from an e-mail address."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Create a person who signs in with this e-mail; addresses are compared in lower case."""
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Create a member of staff with every permission."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in with an e-mail address."""

    email = models.EmailField("e-mail address", unique=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    is_demo = models.BooleanField(default=False, help_text="Made by create_demo; can be reset.")
    date_joined = models.DateTimeField(auto_now_add=True)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    def __str__(self) -> str:
        return self.email


class Theme(models.TextChoices):
    """Colors of the page."""

    AUTO = "AUTO", "As my device"
    LIGHT = "LIGHT", "Light"
    DARK = "DARK", "Dark"


class UpDown(models.TextChoices):
    """Color pair for rising and falling prices."""

    DEFAULT = "DEFAULT", "Teal and vermilion"
    COLOR_BLIND_SAFE = "COLOR_BLIND_SAFE", "Blue and orange (color-blind safe)"
    CLASSIC = "CLASSIC", "Green and red"
    EAST_ASIA = "EAST_ASIA", "Red up, teal down"


class NumberFormat(models.TextChoices):
    """Locale that numbers and dates are written in."""

    EN_US = "en-US", "1,234.50 · Mar 12, 2020"
    EN_GB = "en-GB", "1,234.50 · 12 Mar 2020"
    DE_DE = "de-DE", "1.234,50 · 12.03.2020"
    FR_FR = "fr-FR", "1 234,50 · 12 mars 2020"
    JA_JP = "ja-JP", "1,234.50 · 2020/03/12"


class Profile(TimestampedModel):
    """How one user likes to read Elson; made with the user, changed by the user."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="profile")
    display_name = models.CharField(max_length=80, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    number_format = models.CharField(
        max_length=8, choices=NumberFormat.choices, default=NumberFormat.EN_US
    )
    theme = models.CharField(max_length=8, choices=Theme.choices, default=Theme.AUTO)
    up_down = models.CharField(max_length=20, choices=UpDown.choices, default=UpDown.DEFAULT)
    has_shortcuts = models.BooleanField("keyboard shortcuts", default=True)
    onboarded_at = models.DateTimeField(null=True, blank=True)
    checklist_dismissed_at = models.DateTimeField(null=True, blank=True)
    checklist_steps = models.JSONField(
        default=list, blank=True, help_text="Steps ticked by the person; others follow from rows."
    )
    history = HistoricalRecords()

    def __str__(self) -> str:
        return f"profile of {self.user}"


class Entitlement(TimestampedModel):
    """One thing a user may do beyond the free plan; written by billing or staff, read by all.

    `value` is a count where the key counts something, otherwise 1.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="entitlements")
    key = models.CharField(max_length=60)
    value = models.IntegerField(default=1)
    source = models.CharField(max_length=60, help_text="plan:<key> or staff:<reason>")
    expires_at = models.DateTimeField(null=True, blank=True)
    history = HistoricalRecords()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "key", "source"], name="entitlement_unique")
        ]

    def __str__(self) -> str:
        return f"{self.key}={self.value} for {self.user}"

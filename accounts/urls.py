"""Addresses of accounts."""

from django.urls import URLPattern, URLResolver, path

from accounts import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("onboarding/", views.onboarding, name="onboarding"),
    path("onboarding/checklist/dismiss/", views.checklist_dismiss, name="checklist_dismiss"),
    path("settings/profile/", views.profile, name="profile"),
    path("settings/profile/sample/", views.preferences_sample, name="preferences_sample"),
]

"""Every address of the site; each app adds its own."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from elson import views
from elson.common.views import ui_components

urlpatterns = [
    path("", views.landing, name="landing"),
    path("", include("accounts.urls")),
    path("", include("marketdata.urls")),
    path("", include("trading.urls")),
    path("", include("monitoring.urls")),
    path("billing/", include("billing.urls")),
    path("search/", views.search, name="search"),
    path("preparing/", views.preparing, name="preparing"),
    path("more/", views.more, name="more"),
    path("docs/", views.guide_list, name="guide_list"),
    path("docs/<slug:slug>/", views.guide, name="guide"),
    path("legal/<slug:slug>/", views.legal, name="legal"),
    path("onboarding/checklist/<slug:step>/", views.checklist_step, name="checklist_step"),
    path("csp-report/", views.csp_report, name="csp_report"),
    path("accounts/", include("allauth.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="api_schema"),
    path("staff/ui/", ui_components, name="ui_components"),
    path("staff/", admin.site.urls),
]

handler400 = "elson.views.bad_request"
handler403 = "elson.views.forbidden"
handler404 = "elson.views.not_found"
handler429 = "elson.views.too_many"  # asked for by django-allauth's limits
handler500 = "elson.views.server_error"

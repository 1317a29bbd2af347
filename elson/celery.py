"""The Celery application: workers find every app's tasks and the whole schedule here."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "elson.settings.development")

app = Celery("elson")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["elson.common"])

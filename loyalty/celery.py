"""Celery: the workers that generate rewards in shops, and the beat that sweeps for what a lost message left behind.

The broker is a doorbell, never the queue of record: every piece of work is a row with a due time, so nothing here
has to survive a flushed broker.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty.settings")

app = Celery("loyalty")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["loyalty.program.tiers"])

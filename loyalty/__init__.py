"""The project package: wiring at its root, foundations and doors below."""

from loyalty.celery import app as celery_app

__all__ = ["celery_app"]

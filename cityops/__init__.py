"""Wiring of the project: settings, URLs, process entry points."""

from cityops.celery import app as celery_app

__all__ = ["celery_app"]

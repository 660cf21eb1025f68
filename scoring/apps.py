"""Django application entry."""

from django.apps import AppConfig


class ScoringConfig(AppConfig):
    """Registers the app."""

    name = "scoring"
    label = "scoring"

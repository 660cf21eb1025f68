"""Django application entry."""

from django.apps import AppConfig


class CasesConfig(AppConfig):
    """Registers the app."""

    name = "cases"
    label = "cases"

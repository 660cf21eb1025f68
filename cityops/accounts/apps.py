"""Django application entry."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Registers the app."""

    name = "cityops.accounts"
    label = "accounts"

"""Django application entry."""

from datetime import timedelta

from django.apps import AppConfig


class ScoringConfig(AppConfig):
    """Registers the app, and its work that ticks do."""

    name = "scoring"
    label = "scoring"

    def ready(self) -> None:
        """Name the work; below this app nobody knows it."""
        from cases.services.effects import add_work  # noqa: PLC0415 - once the models are there
        from scoring.keeping import keep_scores  # noqa: PLC0415
        from scoring.telling import tell_of_closings  # noqa: PLC0415

        # Below the 300 s after which Celery ends a process.
        add_work("keep_scores", keep_scores, lease=timedelta(seconds=240))
        add_work("tell_of_closings", tell_of_closings, lease=timedelta(seconds=60))

"""Django application entry."""

from datetime import timedelta

from django.apps import AppConfig

from cases.work import WORK, Work


class ScoringConfig(AppConfig):
    """Registers the app, and the work of its ticks."""

    name = "scoring"
    label = "scoring"

    def ready(self) -> None:
        """Add the work, which no app below knows of."""
        from scoring.keeping import keep_scores  # noqa: PLC0415 - these need the models
        from scoring.telling import tell_of_closings  # noqa: PLC0415

        WORK["keep_scores"] = Work(keep_scores, timedelta(seconds=240))
        WORK["tell_of_closings"] = Work(tell_of_closings, timedelta(seconds=60))

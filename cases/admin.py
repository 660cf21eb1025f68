"""Reference data for the administrator; cases and events are read, never edited, here."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from leaflet.admin import LeafletGeoAdmin

from cases.models import (
    Area,
    Case,
    CityOptions,
    Condition,
    District,
    Effect,
    Event,
    MinorClass,
    Responsibility,
    Unit,
    WorkCalendar,
    WorkCalendarDay,
)


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Shows rows that only services write."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds rows here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes rows here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes rows here."""
        return False


@admin.register(Case)
class CaseAdmin(ReadOnly):
    """Cases."""

    list_display = ("number", "stage", "district", "minor", "unit", "due_at")
    list_filter = ("stage", "district", "source")
    search_fields = ("number",)
    list_select_related = ("minor", "unit")


@admin.register(Event)
class EventAdmin(ReadOnly):
    """The ledger."""

    list_display = ("scope", "dseq", "action", "from_stage", "to_stage", "at")
    list_filter = ("scope", "action")
    search_fields = ("case__number",)
    exclude = ("private", "salt")
    show_full_result_count = False


@admin.register(Effect)
class EffectAdmin(ReadOnly):
    """The outbox; dead rows first in mind."""

    list_display = ("key", "queue", "runs", "dead", "done_at", "outcome")
    list_filter = ("dead", "queue", "kind")
    show_full_result_count = False


@admin.register(WorkCalendar, WorkCalendarDay)
class CalendarAdmin(ReadOnly):
    """Versions of the working calendar; a change makes a new version."""


@admin.register(CityOptions)
class CityOptionsAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """The one row of switches and stage limits."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """The row is made by a migration."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The row stays."""
        return False


@admin.register(Area)
class AreaAdmin(LeafletGeoAdmin):  # type: ignore[misc]  # django-leaflet carries no types
    """Areas in their versions, on a map; load_city writes them."""

    list_display = ("level", "code", "name_zh")
    list_filter = ("level",)
    search_fields = ("code", "name_zh")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Areas come from the city folder."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A changed boundary is a new version, loaded with the city folder."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Old versions stay readable."""
        return False


@admin.register(District, MinorClass, Condition, Unit, Responsibility)
class CityAdmin(ReadOnly):
    """What the city folder holds; load_city writes it."""

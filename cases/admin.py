"""Reference data for the administrator; cases and events are read, never edited, here."""

from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from leaflet.admin import LeafletGeoAdmin

from cases.forms.channel import ChannelForm
from cases.forms.wall import WallForm
from cases.models import (
    Area,
    Case,
    Channel,
    CityOptions,
    Component,
    Condition,
    DeskAlarm,
    DeskAlarmRule,
    District,
    Effect,
    Event,
    Feedback,
    MinorClass,
    Responsibility,
    Unit,
    Wall,
    WorkCalendar,
    WorkCalendarDay,
)
from cases.services.feedback import mark_read
from cases.services.notify import ask_test, keep_secret
from cases.views.calendar import edit_calendar, recompute, version_context
from cases.views.component_import import import_page
from cases.views.labels import AT_ONCE, label_sheet
from cases.views.photos import send_photo
from cityops.accounts.http import UserRequest
from cityops.accounts.models import User


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
    """The outbox; /desk/effects/ is where people rule on it."""

    list_display = ("key", "queue", "runs", "state", "done_at", "outcome")
    list_filter = ("state", "queue", "kind")
    show_full_result_count = False


class DaysInline(admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
    """The special days of a version."""

    model = WorkCalendarDay
    ordering = ("-date",)
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A version is never changed."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A version is never changed."""
        return False


@admin.register(WorkCalendar)
class CalendarAdmin(ReadOnly):
    """Versions of the working calendar; an edit publishes a new one."""

    list_display = ("version", "note", "created_at", "created_by", "first_day", "last_day")
    inlines = (DaysInline,)
    change_form_template = "cases/calendar/version.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Let those add a version who may add rows."""
        return admin.ModelAdmin.has_add_permission(self, request)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Edit a year of the current version instead of filling an empty form."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        page = {**self.admin_site.each_context(request), "opts": self.opts}
        return edit_calendar(request, cast("User", request.user), page)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        """Show a version with what open cases wait for it."""
        beside = version_context(int(object_id)) if object_id.isdecimal() else {}
        return super().change_view(request, object_id, form_url, extra_context=beside)

    def get_urls(self) -> list[URLPattern]:
        """Add the recomputation."""
        view = self.admin_site.admin_view(require_POST(self.recompute))
        name = "cases_workcalendar_recompute"
        return [path("<int:version>/recompute/", view, name=name), *super().get_urls()]

    def recompute(self, request: HttpRequest, version: int) -> HttpResponse:
        """Ask for the recomputation of open deadlines."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return recompute(request, cast("User", request.user), version)


@admin.register(WorkCalendarDay)
class CalendarDayAdmin(ReadOnly):
    """Special days of all versions."""

    list_display = ("date", "kind", "name_zh", "name_en", "calendar")
    list_filter = ("calendar",)


@admin.register(CityOptions)
class CityOptionsAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """The one row of switches and stage limits."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """The row is made by a migration."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The row stays."""
        return False


@admin.register(DeskAlarmRule)
class DeskAlarmRuleAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """How loud each alarm of the desk is."""

    list_display = ("ring", "tier", "wait_s", "escalate_min")
    readonly_fields = ("ring",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """What can ring stands in cases/ringing.py."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Each alarm keeps its row."""
        return False


@admin.register(DeskAlarm)
class DeskAlarmAdmin(ReadOnly):
    """What rang at the desk, who knew of it, and when it was over."""

    list_display = ("raised_at", "ring", "tier", "case", "acknowledged_by", "ended_at")
    list_filter = ("ring", "tier")
    list_select_related = ("case", "acknowledged_by")
    search_fields = ("case__number",)
    fields = (
        *("case", "ring", "clock", "tier", "roles", "due_at", "raised_at"),
        *("acknowledged_at", "acknowledged_by", "escalated_at", "told", "ended_at"),
    )
    show_full_result_count = False


@admin.register(Feedback)
class FeedbackAdmin(ReadOnly):
    """What people say about the pages; nobody answers for them, an administrator reads it."""

    list_display = ("at", "by", "page", "text", "read_at", "read_by")
    list_filter = (("read_at", admin.EmptyFieldListFilter), "page")
    list_select_related = ("by", "read_by")
    fields = ("at", "by", "page", "text", "screenshot", "read_at", "read_by")
    actions = ("read",)

    @admin.display(description=gettext_lazy("screenshot"))
    def screenshot(self, feedback: Feedback) -> str:
        """Link to the screenshot once it is prepared."""
        if not feedback.sha256:
            return ""
        if not feedback.stored_sha256:
            return _("cannot be read") if feedback.is_unreadable else _("is being prepared")
        address = reverse("admin:cases_feedback_screenshot", args=[feedback.pk])
        return format_html('<a href="{}">{}</a>', address, _("show"))

    def get_urls(self) -> list[URLPattern]:
        """Add the screenshot."""
        show = self.admin_site.admin_view(self.show_screenshot)
        own = [path("<int:pk>/screenshot/", show, name="cases_feedback_screenshot")]
        return [*own, *super().get_urls()]

    def show_screenshot(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Serve a screenshot to who may read feedback."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        shown = Feedback.objects.exclude(stored_sha256="")
        return send_photo(get_object_or_404(shown, pk=pk).path)

    @admin.action(description=gettext_lazy("Mark as read"), permissions=["view"])
    def read(self, request: HttpRequest, chosen: "QuerySet[Feedback]") -> None:
        """Note who read the chosen rows."""
        ids = list(chosen.values_list("pk", flat=True))
        count = mark_read(ids, actor=cast("User", request.user))
        self.message_user(request, _("Marked as read: %(count)d") % {"count": count})


@admin.register(Channel)
class ChannelAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Channels out of the city; their keys and secrets are written here and never shown again."""

    form = ChannelForm
    list_display = ("name", "kind", "scope", "unit", "is_active", "state", "last_sent_at")
    list_filter = ("kind", "scope", "is_active")
    list_select_related = ("unit",)
    readonly_fields = ("state", "failures", "rests_until", "last_sent_at", "last_error")
    actions = ("ask_for_test",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What was sent names its channel: it is switched off, not deleted."""
        return False

    @admin.display(description=gettext_lazy("state"))
    def state(self, channel: Channel) -> str:
        """Say whether the channel works, and until when it rests."""
        if not channel.pk or not channel.is_active:
            return _("off")
        if channel.rests_until and channel.rests_until > timezone.now():
            at = date_format(timezone.localtime(channel.rests_until), "m-d H:i")
            words = {"failures": channel.failures, "at": at}
            return _("■ rests until %(at)s after %(failures)d failures in a row") % words
        if channel.failures:
            return _("▲ %(failures)d failures in a row") % {"failures": channel.failures}
        return _("works") if channel.last_sent_at else _("not used yet")

    def save_model(self, request: HttpRequest, obj: Channel, form: Any, change: Any) -> None:
        """Save the channel, and its secret where one was typed."""
        super().save_model(request, obj, form, change)
        if form.cleaned_data["secret"]:
            keep_secret(obj, form.cleaned_data["secret"])

    @admin.action(description=gettext_lazy("Send a test"), permissions=["change"])
    def ask_for_test(self, request: HttpRequest, chosen: "QuerySet[Channel]") -> None:
        """Have a test sent by each chosen channel; what became of it stands in its row."""
        minute = int(timezone.now().timestamp()) // 60
        asked = [channel for channel in chosen if ask_test(channel, minute=minute)]
        said = _("Tests on their way: %(count)d. The rows say what became of them.")
        self.message_user(request, said % {"count": len(asked)})
        if len(asked) < len(chosen):
            text = _("A channel is tested once a minute at most.")
            self.message_user(request, text, messages.WARNING)


@admin.register(Wall)
class WallAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Walls; the address of a new one is shown once, and an open one ends within seconds."""

    form = WallForm
    list_display = ("name", "scope", "addresses", "expires_at", "state", "created_by")
    list_filter = ("scope",)
    list_select_related = ("created_by",)
    readonly_fields = ("state", "created_at", "created_by")
    actions = ("revoke",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep the scope of a wall that has a token."""
        kept = ("state", "created_at", "created_by")
        return ("scope", *kept) if obj else kept

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A wall is revoked, not deleted: who made it and what it could show stays known."""
        return False

    @admin.display(description=gettext_lazy("state"))
    def state(self, wall: Wall) -> str:
        """Say whether the token opens anything."""
        if not wall.pk:
            return _("new")
        if wall.revoked_at:
            at = date_format(timezone.localtime(wall.revoked_at), "m-d H:i")
            return _("■ revoked %(at)s") % {"at": at}
        return _("▲ expired") if wall.expires_at <= timezone.now() else _("in use")

    def save_model(self, request: HttpRequest, obj: Wall, form: Any, change: Any) -> None:
        """Give a new wall its token."""
        if not change:
            obj.created_by = cast("User", request.user)
            obj.give_token()
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: Wall, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the address of a new wall, once.

        Rendered at once and never stored: a message would travel in a cookie. The admin site
        itself forbids caches to keep its pages.
        """
        address = request.build_absolute_uri(reverse("wall", args=[obj.token]))
        context = {
            **self.admin_site.each_context(request),
            "wall": obj,
            "address": address,
            "opts": self.opts,
        }
        return TemplateResponse(request, "cases/wall/made.html", context)

    @admin.action(description=gettext_lazy("Revoke"), permissions=["change"])
    def revoke(self, request: HttpRequest, chosen: "QuerySet[Wall]") -> None:
        """End the chosen walls for good; the screens show it within seconds."""
        ended = chosen.filter(revoked_at=None)
        for wall in ended:
            self.log_change(request, wall, "revoked")
        count = ended.update(revoked_at=timezone.now())
        self.message_user(request, _("Revoked: %(count)d") % {"count": count})


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


@admin.register(Component)
class ComponentAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """The component register; new ones and their places come by import."""

    list_display = ("code", "name", "minor", "state", "district", "owner", "maintainer")
    list_filter = ("state", "district", ("minor", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("minor", "owner", "maintainer")
    search_fields = ("code", "name", "minor__name_zh", "minor__initials", "grid_cell")
    readonly_fields = ("code", "minor", "point", "district", "street", "community", "grid_cell")
    fields = (
        "code",
        "name",
        "minor",
        "state",
        "competent",
        "owner",
        "maintainer",
        *readonly_fields[2:],
    )
    actions = ("print_labels",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Components come by import, which finds their place."""
        return False

    def get_urls(self) -> list[URLPattern]:
        """Add the import page."""
        page = self.admin_site.admin_view(self.import_page)
        return [path("import/", page, name="cases_component_import"), *super().get_urls()]

    def import_page(self, request: UserRequest) -> HttpResponse:
        """Show the import page to who may change components."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        context = {**self.admin_site.each_context(request), "opts": self.opts}
        return import_page(request, context)

    @admin.action(description=gettext_lazy("Print QR labels (PDF)"), permissions=["view"])
    def print_labels(
        self, request: HttpRequest, chosen: "QuerySet[Component]"
    ) -> HttpResponse | None:
        """Return the labels of the chosen components; they lead to the address this page has."""
        if chosen.count() > AT_ONCE:
            problem = _("Choose at most %(most)d components at once.") % {"most": AT_ONCE}
            self.message_user(request, problem, messages.ERROR)
            return None
        pdf = label_sheet(
            chosen.order_by("code"),
            lambda component: request.build_absolute_uri(component.get_absolute_url()),
        )
        headers = {"Content-Disposition": 'attachment; filename="labels.pdf"'}
        return HttpResponse(pdf, content_type="application/pdf", headers=headers)

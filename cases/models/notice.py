"""What people are told in the product, and the channels by which it leaves the product."""

from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from cases.choices import CITY, DISTRICT_SLUGS, SCOPES, Role
from cases.models.case import Case
from cases.notices import ITEM_POSTS, OF_ITEM, OF_PERIOD, PERIOD_POSTS, Audience
from cityops.accounts.models import User


class NoticeQuerySet(models.QuerySet["Notice"]):
    """A reader's notices."""

    def of(self, user: User) -> Self:
        """Keep what `user` was told of cases they may still see, and of files of their own.

        Also of periods and of action items, while they hold a post that is told of those.
        """
        visible = Case.objects.all().visible_to(user)
        told = Q(case__in=visible) | Q(export__owner=user.pk)
        if user.holds(*PERIOD_POSTS):
            told |= Q(period__gt="")
        if user.holds(*ITEM_POSTS):
            told |= Q(told__in=OF_ITEM)
        return self.filter(told, user=user.pk)

    def unread(self) -> Self:
        """Keep what was not read yet."""
        return self.filter(read_at=None)


class Notice(models.Model):
    """One event told to one person; the words come from cases/notices.py when it is read.

    Or that a file is ready, or something about a period of the assessment: no event of a case.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, db_index=False)
    case = models.ForeignKey(Case, models.CASCADE, null=True)
    event = models.ForeignKey("cases.Event", models.CASCADE, null=True, db_index=False)
    export = models.OneToOneField("cases.Export", models.CASCADE, null=True)
    period = models.CharField(max_length=8, blank=True, db_default="")  # 2026-10
    told = models.CharField(max_length=12, blank=True, db_default="")  # a key of OF_PERIOD
    address = models.CharField(max_length=100, blank=True, db_default="")  # where it leads
    words = models.JSONField(db_default={})  # that its sentence names
    created_at = models.DateTimeField(db_default=Now())
    read_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager["Notice"]] = NoticeQuerySet.as_manager()

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        constraints = [
            models.UniqueConstraint(fields=["event", "user"], name="notice_once"),
            models.CheckConstraint(
                condition=Q(case__isnull=False, event__isnull=False, export=None, period="")
                | Q(case=None, event=None, export__isnull=False, period="")
                | Q(case=None, event=None, export=None, period__gt="", address__startswith="/"),
                name="notice_of_one_thing",
            ),
            models.CheckConstraint(
                condition=Q(period="", told="") | Q(period__gt="", told__in=sorted(OF_PERIOD)),
                name="notice_of_period_known",
            ),
        ]
        indexes = [
            models.Index(fields=["user", "-id"], name="notice_newest"),
            models.Index("user", name="notice_unread", condition=Q(read_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.event_id}"


class Channel(models.Model):
    """A way out of the product: a robot of a chat group, a mailbox, another system.

    A channel of a district hears of its cases, one of the city of all; one of a unit only of what
    its people are told. After `LIMIT` failures in a row it rests until `rests_until`. The key or
    password stands apart (ChannelSecret).
    """

    class Kind(models.TextChoices):
        """Who listens at the other end."""

        WECOM = "wecom", _("enterprise WeChat robot")
        DINGTALK = "dingtalk", _("DingTalk robot")
        FEISHU = "feishu", _("Feishu robot")
        MAIL = "mail", _("mail")
        WEBHOOK = "webhook", _("webhook")
        HOTLINE = "hotline", _("12345 hotline")

    ROBOTS = (Kind.WECOM, Kind.DINGTALK, Kind.FEISHU)
    SYSTEMS = (Kind.WEBHOOK, Kind.HOTLINE)
    LIMIT = 5

    name = models.CharField(_("name"), max_length=60, unique=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    scope = models.CharField(
        _("scope"),
        max_length=20,
        choices=[(CITY, _("whole city")), *((slug, slug) for slug in DISTRICT_SLUGS)],
        default=CITY,
    )
    unit = models.ForeignKey(
        "cases.Unit",
        models.PROTECT,
        to_field="code",
        null=True,
        blank=True,
        verbose_name=_("unit"),
        help_text=_("only what the people of this unit are told"),
    )
    audience = models.CharField(
        _("what is told to"),
        max_length=12,
        choices=[(role.value, role.label) for role in Role if role.value in set(Audience)],
        blank=True,
        help_text=_("empty: to anybody"),
    )
    only_loud = models.BooleanField(_("only what is urgent"), default=True)
    address = models.CharField(
        _("address"),
        max_length=300,
        blank=True,
        help_text=_(
            "https://… of another system, whose host CITYOPS_OUTSIDE_HOSTS names; the recipient of "
            "mail; nothing for a robot"
        ),
    )
    is_active = models.BooleanField(_("active"), default=True)

    failures = models.PositiveIntegerField(_("failures in a row"), default=0, editable=False)
    rests_until = models.DateTimeField(_("rests until"), null=True, editable=False)
    last_sent_at = models.DateTimeField(_("last sent"), null=True, editable=False)
    last_error = models.CharField(_("last error"), max_length=300, blank=True, editable=False)

    objects: ClassVar[models.Manager["Channel"]] = models.Manager()

    class Meta:
        verbose_name = _("channel")
        verbose_name_plural = _("channels")
        constraints = [
            models.CheckConstraint(condition=Q(scope__in=SCOPES), name="channel_scope_known"),
        ]

    def __str__(self) -> str:
        return self.name


class ChannelSecret(models.Model):
    """The key of a robot, or the secret a webhook is signed with.

    The web process may write it and see that it is there; the database lets it read none.
    """

    channel = models.OneToOneField(Channel, models.CASCADE, primary_key=True)
    value = models.CharField(max_length=300)

    objects: ClassVar[models.Manager["ChannelSecret"]] = models.Manager()

    def __str__(self) -> str:
        return str(self.channel_id)

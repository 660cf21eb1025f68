"""What leaves the city: an event by a channel, a test, an answer to a 12345 order. Once each."""

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import override

from cases.choices import CITY, Action
from cases.ledger import stamp
from cases.models import Channel, ChannelSecret, DeskAlarm, Effect, Event, Reply
from cases.selectors.channels import Message, alarm_message, hears, message_of
from cases.services.outside import Failed, NotConfigured, NotNow, Unknown
from cases.services.patience import as_long_again
from cases.services.post import post

REST_S = 60  # after LIMIT failures in a row; doubled with each one more
LONGEST_REST_S = 3600
PROBE_S = 30  # while one delivery tries whether a channel works again, the others wait
PLACES = 2  # for deliveries at once: one of the three of `notify` is left to those inside
DELIVERIES = 4_312_003  # class of the advisory locks of channels and places
BUSY_S = (1.0, 30.0)  # how soon what found its channel busy is tried again, and how late
ELSEWHERE_S = (60.0, 3600.0)  # the same of what this machine's settings do not let out


def send(effect: Effect) -> str:
    """Send the event of `effect` by its channel, if that still hears of it; returns the outcome."""
    channel = Channel.objects.filter(pk=effect.payload["channel"], is_active=True).first()
    if channel is None:
        return "the channel is off"
    events = Event.objects.select_related("case")
    event = events.get(case=effect.case_id or 0, case_seq=effect.case_seq or 0)
    if not hears(channel, event):
        return "no longer theirs"
    return _deliver(channel, effect, message_of(event), "case")


def send_test(effect: Effect) -> str:
    """Send a word by a channel that an administrator wants to try, resting or not."""
    channel = Channel.objects.filter(pk=effect.payload["channel"]).first()
    if channel is None:
        return "the channel is gone"
    Channel.objects.filter(pk=channel.pk, rests_until__gt=Now()).update(rests_until=Now())
    with override(settings.LANGUAGE_CODE):
        said = _("This is a test.")
        message = Message(said, [_("The channel “%(name)s” works.") % {"name": channel.name}], {})
    return _deliver(channel, effect, message, "test")


def send_alarm(effect: Effect) -> str:
    """Tell the shift lead of an alarm nobody knows of yet, if that is still so."""
    channel = Channel.objects.filter(pk=effect.payload["channel"], is_active=True).first()
    if channel is None:
        return "the channel is off"
    alarms = DeskAlarm.objects.select_related("case__minor", "case__condition")
    alarm = alarms.filter(pk=effect.payload["alarm"]).first()
    if alarm is None or alarm.ended_at is not None:
        return "over by now"
    if alarm.acknowledged_at is not None:
        return "known by now"
    if channel.scope not in {CITY, alarm.case.scope, alarm.case.district}:
        return "no longer theirs"
    return _deliver(channel, effect, alarm_message(alarm), "alarm")


def reply(effect: Effect) -> str:
    """Answer a 12345 order through the hotline's interface, and tick off what was delivered."""
    owed = Reply.objects.select_related("case").get(pk=effect.payload["reply"])
    if owed.given_at is not None:
        return "given by hand"
    case = owed.case
    near = Channel.objects.filter(kind=Channel.Kind.HOTLINE, is_active=True)
    channel = near.filter(scope__in={CITY, case.district}).order_by("scope", "pk").last()
    if channel is None:
        return "no channel"
    with override(settings.LANGUAGE_CODE):
        said = str(Action(owed.action).label)
    data = {
        "order_number": case.order_number,
        "order_kind": case.order_kind,
        "case": case.number,
        "action": owed.action,
        "says": said,
        "reason": owed.reason,
        "at": stamp(owed.due_at),
    }
    outcome = _deliver(channel, effect, Message(said, [], data), "reply")
    Reply.objects.filter(pk=owed.pk, given_at=None).update(given_at=Now())
    return outcome


# --- one delivery -------------------------------------------------------------------------------


def _deliver(channel: Channel, effect: Effect, message: Message, kind: str) -> str:
    """Send by the channel, and remember how it went. Raises Failed, Unknown, NotNow."""
    row = Channel.objects.filter(pk=channel.pk)
    with _alone(channel, effect):
        _require_awake(channel)
        try:
            _send_by(channel, effect.key, message, kind)
        except NotConfigured as error:  # says nothing of the channel
            row.update(last_error=str(error)[:300])
            raise NotNow(as_long_again(effect, *ELSEWHERE_S)) from None
        except (Failed, Unknown) as error:
            _remember_failure(channel, str(error))
            raise
        row.update(failures=0, rests_until=None, last_sent_at=Now(), last_error="")
    return "sent"


@contextmanager
def _alone(channel: Channel, effect: Effect) -> Iterator[None]:
    """Hold the channel and one of the places. Raises NotNow while others have them.

    So one that answers slowly, or some, leave the workers to the others.
    """
    with connection.cursor() as cursor, ExitStack() as held:
        # The numbers of channels begin at 1.
        if not _take(channel.pk, cursor, held) or not any(
            _take(-place, cursor, held) for place in range(PLACES)
        ):
            raise NotNow(as_long_again(effect, *BUSY_S))
        yield


def _take(key: int, cursor: CursorWrapper, held: ExitStack) -> bool:
    """Take an advisory lock until `held` is over, or until this connection dies."""
    cursor.execute("SELECT pg_try_advisory_lock(%s::int, %s::int)", [DELIVERIES, key])
    is_taken = bool(cursor.fetchone()[0])
    if is_taken:
        give_back = "SELECT pg_advisory_unlock(%s::int, %s::int)"
        held.callback(cursor.execute, give_back, [DELIVERIES, key])
    return is_taken


def _send_by(channel: Channel, key: str, message: Message, kind: str) -> None:
    # apprise takes half a second and 20 MB, and only the worker that sends needs it.
    from cases.services.robots import send_mail, tell_robot  # noqa: PLC0415

    if channel.kind == Channel.Kind.MAIL:
        send_mail(channel.address, message.title, message.body)
        return
    secret = ChannelSecret.objects.filter(pk=channel.pk).values_list("value", flat=True).first()
    if not secret:
        raise Failed("the channel has no secret yet")
    if channel.kind in Channel.ROBOTS:
        tell_robot(channel.kind, secret, message.title, message.body)
    else:
        _call(channel.address, secret, key, {"kind": kind, **message.data})


def _call(address: str, secret: str, key: str, data: dict[str, Any]) -> None:
    """Call a webhook, signed (docs/notifications.md)."""
    body = json.dumps({"delivery": key, **data}, ensure_ascii=False, sort_keys=True).encode()
    now = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "cityops",
        "X-Cityops-Delivery": key,
        "X-Cityops-Timestamp": now,
        "X-Cityops-Signature": f"sha256={signature_of(secret, now, body)}",
    }
    post(address, body, headers)


def signature_of(secret: str, timestamp: str, body: bytes) -> str:
    """Return HMAC-SHA256 over timestamp, a full stop, and the body, in hex."""
    signed = timestamp.encode() + b"." + body
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


# --- the circuit --------------------------------------------------------------------------------


def _require_awake(channel: Channel) -> None:
    """Raise NotNow while the channel rests; the first delivery after that tries it alone."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE cases_channel SET rests_until = now() + make_interval(secs => %s)
            WHERE id = %s AND rests_until <= now()
            """,
            [PROBE_S, channel.pk],
        )
        if cursor.rowcount:
            return
        cursor.execute(
            "SELECT extract(epoch FROM rests_until - now()) FROM cases_channel WHERE id = %s",
            [channel.pk],
        )
        (left_s,) = cursor.fetchone()
    if left_s is not None:
        raise NotNow(max(1.0, float(left_s)))


def _remember_failure(channel: Channel, error: str) -> None:
    """Count a failure; the last allowed one in a row, and each after it, lets the channel rest."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE cases_channel c
            SET failures = f.new, last_error = %(error)s, rests_until = CASE
              WHEN f.new >= %(limit)s THEN now() + make_interval(
                secs => least(%(longest)s, %(rest)s * power(2, least(20, f.new - %(limit)s))))
              END
            FROM (SELECT failures + 1 AS new FROM cases_channel WHERE id = %(id)s FOR UPDATE) f
            WHERE c.id = %(id)s
            """,
            {
                "error": error[:300],
                "limit": Channel.LIMIT,
                "longest": LONGEST_REST_S,
                "rest": REST_S,
                "id": channel.pk,
            },
        )

"""Telling people what concerns them: one effect an event writes their notices, and asks for more.

What leaves the city is an effect of its own for every channel (services/sending.py).
"""

from collections.abc import Iterable

from django.db import connection, transaction

from cases.models import Channel, ChannelSecret, Effect, Event, Notice, Reply
from cases.notices import audiences_of, telling_of
from cases.selectors.channels import channels_for
from cases.selectors.recipients import recipients_of

SEND_RUNS = 12  # about two hours, with the rests of a channel between


def tell(effect: Effect) -> str:
    """Write the notices and the sendings of the event that asked for `effect`; returns how many.

    Safe to repeat: an event is told a person, and sent by a channel, once.
    """
    events = Event.objects.select_related("case").filter(case=effect.case_id)
    event = events.get(case_seq=effect.case_seq or 0)
    telling = telling_of(event.action, event.to_stage, event.data["facts"])
    if telling is None:  # the table has changed since
        return "tells nobody"
    audiences = audiences_of(telling, event.to_stage)
    people = recipients_of(event, audiences)
    channels = channels_for(event, telling, audiences)
    with transaction.atomic():
        rows = [Notice(user_id=pk, case=event.case, event=event) for pk in people]
        Notice.objects.bulk_create(rows, ignore_conflicts=True)
        sends = [_sending(effect, event, channel, urgent=telling.is_loud) for channel in channels]
        Effect.objects.bulk_create(sends, ignore_conflicts=True)
    return f"{len(people)} told, {len(channels)} channels"


def _sending(effect: Effect, event: Event, channel: Channel, *, urgent: bool) -> Effect:
    return Effect(
        key=f"send:{channel.pk}:{event.scope}:{event.dseq}",
        kind="send",
        queue="notify",
        scope=effect.scope,
        case_id=effect.case_id,
        case_seq=effect.case_seq,
        payload={"channel": channel.pk},
        urgency=5 if urgent else 7,
        max_runs=SEND_RUNS,
    )


def ask_test(channel: Channel, *, minute: int) -> bool:
    """Ask for a test of a channel, one a minute; returns whether it is a new one."""
    _, is_new = Effect.objects.get_or_create(
        key=f"send_test:{channel.pk}:{minute}",
        defaults={
            "kind": "send_test",
            "queue": "notify",
            "scope": channel.scope,
            "payload": {"channel": channel.pk},
            "urgency": 1,
            "max_runs": 1,
        },
    )
    return is_new


def ask_replies(replies: Iterable[Reply]) -> None:
    """Have answers to 12345 orders delivered, where the hotline has an interface.

    In the transaction that owes them; whoever is quicker, an operator gives them by hand.
    """
    owed = [reply for reply in replies if reply.case.order_number]
    hotlines = Channel.objects.filter(kind=Channel.Kind.HOTLINE, is_active=True)
    if not owed or not hotlines.exists():
        return
    Effect.objects.bulk_create(
        Effect(
            key=f"reply:{reply.pk}",
            kind="reply",
            queue="notify",
            scope=reply.case.scope,
            case_id=reply.case_id,
            payload={"reply": reply.pk},
            urgency=6,
            max_runs=SEND_RUNS,
        )
        for reply in owed
    )


@transaction.atomic
def keep_secret(channel: Channel, value: str) -> None:
    """Keep a channel's key or secret in place of the one before.

    Written without reading, because the web process may not (see ChannelSecret).
    """
    Channel.objects.select_for_update().get(pk=channel.pk)
    if not ChannelSecret.objects.filter(pk=channel.pk).update(value=value):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO cases_channelsecret (channel_id, value) VALUES (%s, %s)",
                [channel.pk, value],
            )

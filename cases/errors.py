"""Expected refusals. Each has a stable `code`; the sentence names what to change."""

from typing import Any


class Refusal(Exception):
    """A request refused by a rule; `status` is the HTTP status, `fields` name the inputs."""

    code = "refused"
    status = 400

    def __init__(self, message: str, *, fields: dict[str, str] | None = None, **extra: Any) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields or {}
        self.extra = extra


class InvalidInput(Refusal):
    """An input is missing or wrong; `fields` says which and how to mend it."""

    code = "invalid_input"
    status = 422


class OutsideCity(Refusal):
    """The point lies in none of the four districts."""

    code = "outside_city"
    status = 422


class NotAllowed(Refusal):
    """The person may not take this action on this case."""

    code = "not_allowed"
    status = 403


class MoveNotAllowed(Refusal):
    """The workflow has no such action from this stage."""

    code = "move_not_allowed"
    status = 409


class StaleCase(Refusal):
    """The case has moved on since the actor saw it."""

    code = "stale_case"
    status = 409


class KeyReused(Refusal):
    """The idempotency key was used before with another request."""

    code = "idempotency_key_reused"
    status = 422


class Busy(Refusal):
    """The database could not take the change now; try again shortly."""

    code = "busy"
    status = 503


class CityFilling(Busy):
    """The demo month is being written; changes wait until it is complete."""

    code = "demo_month_filling"


class NoRoom(Busy):
    """The disk has no room for photos; whoever sent one keeps it and sends it again later."""

    code = "no_room"
    wait_s = 60


class TooMany(Refusal):
    """More was sent at once than one person, or the people of one district, may send."""

    code = "too_many_requests"
    status = 429

    def __init__(self, message: str, *, wait_s: int) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class CalendarMissing(Refusal):
    """A deadline falls outside the years the working calendar covers."""

    code = "calendar_missing"
    status = 422


class StaleCalendar(Refusal):
    """Another version of the working calendar was published since this one was looked at."""

    code = "stale_calendar"
    status = 409


class DraftClosed(Refusal):
    """The draft of routing rules was published or dropped and cannot be changed any more."""

    code = "draft_closed"
    status = 409


class StaleRules(Refusal):
    """The routing rules or the draft have changed since they were looked at."""

    code = "stale_rules"
    status = 409


class PeriodClosed(Refusal):
    """The period of the assessment takes this no more: it is closed, submitted or published."""

    code = "period_closed"
    status = 409


class StalePeriod(Refusal):
    """The period stands elsewhere than when its reader looked at it."""

    code = "stale_period"
    status = 409


class StillDisputed(Refusal):
    """An objection, appeal or adjustment that touches the period is still to be decided."""

    code = "still_disputed"
    status = 409


class PhotoExpired(Refusal):
    """The note of a photo is good no more, or is another person's; the photo is sent again."""

    code = "photo_expired"
    status = 422


class OtherUser(Refusal):
    """The request was made for another person than the one who is signed in."""

    code = "other_user"
    status = 401


class HandoverMoved(Refusal):
    """The hand-over was opened, taken over or withdrawn by somebody else meanwhile."""

    code = "handover_moved"
    status = 409


class BadPhoto(Refusal):
    """The upload is not a photo that can be stored."""

    code = "bad_photo"
    status = 422


class BadCityFolder(Refusal):
    """A file of the city folder is wrong; the message names file and feature."""

    code = "bad_city_folder"
    status = 422


class LedgerBroken(Refusal):
    """The ledger does not add up at a position; the message names it."""

    code = "ledger_broken"
    status = 500


_GAVE_UP = {"55P03", "57014"}  # PostgreSQL: a lock, or the whole statement, took too long


def busy_of(error: Exception, sentence: str) -> Busy | None:
    """Return the refusal that an error of the database means when it only took too long."""
    return Busy(sentence) if getattr(error.__cause__, "sqlstate", "") in _GAVE_UP else None

"""A report comes in: placed, numbered, and, where the city says so, accepted and filed at once."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

from django.contrib.gis.geos import Point
from django.db import IntegrityError, connection
from django.db.models import Model
from django.utils import timezone
from django.utils.translation import gettext as _

from cases import clock, policy
from cases.choices import Action, ClockKind, LimitUnit, OrderKind, Role, Source, Stage
from cases.errors import BadPhoto, InvalidInput, KeyReused, NotAllowed
from cases.ledger import Book, Folder, open_book, open_folder, plain, retrying
from cases.models import (
    Attachment,
    Case,
    CityOptions,
    Component,
    Condition,
    Effect,
    Event,
    MinorClass,
    Task,
)
from cases.selectors.calendars import current_version, load_calendar
from cases.selectors.inspectors import inspector_for
from cases.selectors.place import Place, locate
from cases.selectors.timeline import case_answer
from cases.services import filing
from cases.services.idempotency import claim
from cases.services.moves.site import check_now
from cases.services.photos import StoredPhoto, attach, facts_of, taken_of
from cityops.accounts.models import User


@dataclass(frozen=True)
class Report:
    """What a reporter says. Place in WGS-84 degrees; `photos_due` are SHA-256 yet to come."""

    lon: float
    lat: float
    category: str  # minor class code
    condition: str = ""  # filing condition code; empty leaves it to the duty chief
    component: str = ""  # code of the registered component the problem is with
    description: str = ""
    address: str = ""
    source: Source = Source.INSPECTOR
    accuracy_m: int | None = None
    photos_due: tuple[str, ...] = ()
    order_number: str = ""  # of a 12345 order, which has a limit of its own
    order_kind: str = ""
    contact: str = ""  # whom to answer
    is_self_handled: bool = False  # fixed on the spot; comes with a photo taken after
    claimed_at: datetime | None = None  # the phone's own time

    def canonical(self) -> dict[str, Any]:
        """Return the request as the idempotency key remembers it."""
        words = asdict(self) | {"lon": f"{self.lon:.7f}", "lat": f"{self.lat:.7f}"}
        return {name: plain(value) for name, value in words.items()}


@retrying
def report_case(
    *,
    report: Report,
    actor: User,
    key: uuid.UUID | None = None,
    photos: tuple[StoredPhoto, ...] = (),
    at: datetime | None = None,
) -> dict[str, Any]:
    """Bring a case in and return it as the API shows it; a repeated `key` returns the same answer.

    `photos` were stored before; `at` is given by simulate only. Raises NotAllowed, OutsideCity,
    InvalidInput, KeyReused.
    """
    if not policy.may_report(actor):
        raise NotAllowed(_("Reporting needs the role inspector or operator."))
    return _bring_in(report, actor, key=key, photos=photos, at=at)


@retrying
def report_finding(effect: Effect) -> str:
    """Bring in what an assessor found at a point drawn for inspection; returns its number.

    It counts as seen by the city's own inspectors. Safe to repeat: the key in the payload is the
    case's for ever, and comes back with the answer it had. A finding that names the case there is
    adds its photo to that as evidence, the same twice is one.
    """
    said = effect.payload
    photos = tuple(StoredPhoto.from_note(note) for note in said["photos"])
    actor = User.objects.with_grants().get(pk=said["actor"])
    if number := said.get("known_case"):
        shown = [replace(photo, kind=Attachment.Kind.EVIDENCE) for photo in photos]
        attach(Case.objects.get(number=number), shown, actor=actor, at=timezone.now())
        return str(number)
    report = Report(
        lon=float(said["lon"]),
        lat=float(said["lat"]),
        category=said["category"],
        description=said["description"],
    )
    answer = _bring_in(report, actor, key=uuid.UUID(said["key"]), photos=photos, at=None)
    return str(answer["number"])


def _bring_in(
    report: Report,
    actor: User,
    *,
    key: uuid.UUID | None,
    photos: tuple[StoredPhoto, ...],
    at: datetime | None,
) -> dict[str, Any]:
    held = claim(actor, key, ["report", report.canonical(), [p.sha256 for p in photos]])
    if held.answer is not None:
        return held.answer
    rules = read_rules(report)
    _require_component(report)
    _require_fit(report, actor, rules, photos)
    place = locate(report.lon, report.lat, at=at)
    folder = Folder(_new_case(report, place, actor=actor, key=key))
    folder.case.number = next_number(at)
    checker_id = inspector_for(folder.case) if report.is_self_handled else None
    with _once(report), open_book(folder.case.scope, at=at) as book:
        if report.is_self_handled:
            tasks = _self_handle(book, folder, report, actor, rules, photos, checker_id)
        else:
            tasks = _record(book, folder, report, actor, rules, photos)
    for task in tasks:
        task.save()
    if photos:
        attach(folder.case, photos, actor=actor, at=book.at)
    answer = case_answer(folder.case, book.events, reader=actor, at=book.at)
    held.keep(folder.case, answer)
    return answer


def _require_fit(
    report: Report, actor: User, rules: "Rules", photos: tuple[StoredPhoto, ...]
) -> None:
    """Raise for what a source or a self-handled case needs and does not have."""
    if report.source == Source.LEADER and rules.condition is None:
        raise InvalidInput(
            _("A leader's order is filed at once, so it names its filing condition."),
            fields={"condition": _("take a code listed under /api/v1/categories/")},
        )
    if report.order_kind and report.source != Source.HOTLINE:
        raise InvalidInput(
            _("Only a 12345 order has a kind."), fields={"order_kind": _("leave it out")}
        )
    if not report.is_self_handled:
        return
    if not actor.holds(Role.INSPECTOR) or report.source != Source.INSPECTOR:
        raise NotAllowed(_("Only inspectors handle things themselves."))
    if rules.condition is None:
        raise InvalidInput(
            _("A self-handled case names its filing condition."),
            fields={"condition": _("take a code listed under /api/v1/categories/")},
        )
    if not any(photo.kind == Attachment.Kind.AFTER for photo in photos):
        raise InvalidInput(
            _("A self-handled case comes with a photo taken after handling."),
            fields={"after": _("add a photo taken after handling")},
        )


@contextmanager
def _once(report: Report) -> Iterator[None]:
    """Turn a second case of one 12345 order, or of one key, into a refusal.

    A key is good for one case for ever, whoever sends it and however long ago its answer was
    forgotten. Raises InvalidInput, KeyReused.
    """
    try:
        yield
    except IntegrityError as error:
        if "case_order_once" in str(error):
            raise InvalidInput(
                _("The 12345 order %(number)s was entered before.")
                % {"number": report.order_number},
                fields={"order_number": _("look for the case of this order")},
            ) from None
        if "client_uuid" in str(error):
            raise KeyReused(
                _("This Idempotency-Key belongs to another case: send a new key."),
                fields={"Idempotency-Key": _("make a new UUID for a new request")},
            ) from None
        raise


@dataclass(frozen=True)
class Rules:
    """What a report is judged by, read in one statement."""

    minor: MinorClass
    condition: Condition | None
    options: CityOptions
    calendar_version: int


def read_rules(report: Report) -> Rules:
    """Read class, condition, options and the current calendar; raise InvalidInput for bad codes."""
    with connection.cursor() as cursor:
        cursor.execute(_RULES, [report.condition, report.category])
        row = cursor.fetchone()
    if row is None:
        raise InvalidInput(
            _("There is no class “%(code)s”.") % {"code": report.category},
            fields={"category": _("take a code listed under /api/v1/categories/")},
        )
    values = iter(row)
    minor, condition, options = (_read(model, values) for model in _RULE_MODELS)
    if report.condition and condition.pk is None:
        raise InvalidInput(
            _("There is no filing condition “%(condition)s” of class “%(code)s”.")
            % {"condition": report.condition, "code": report.category},
            fields={"condition": _("take a code listed under /api/v1/categories/")},
        )
    if condition.pk is not None:
        condition.minor = minor
    return Rules(minor, condition if condition.pk else None, options, next(values))


def _require_component(report: Report) -> None:
    """Raise InvalidInput unless the component named, if any, is registered and of this class."""
    if not report.component:
        return
    found = Component.objects.filter(code=report.component).values_list("minor", flat=True)
    minor = found.first()
    if minor is None:
        raise InvalidInput(
            _("There is no component “%(code)s”.") % {"code": report.component},
            fields={"component": _("take the 16 digits on its label")},
        )
    if minor != report.category:
        raise InvalidInput(
            _("Component %(component)s is of class “%(own)s”, not “%(code)s”.")
            % {"component": report.component, "own": minor, "code": report.category},
            fields={"category": _("take the class of the component")},
        )


_RULE_MODELS: tuple[type[Model], ...] = (MinorClass, Condition, CityOptions)


def _columns(model: type[Model], alias: str) -> str:
    return ", ".join(f"{alias}.{field.column}" for field in model._meta.concrete_fields)


def _read(model: type[Model], values: Iterator[Any]) -> Any:
    names = [field.attname for field in model._meta.concrete_fields]
    return model.from_db(connection.alias, names, list(islice(values, len(names))))


# Written out, because the ORM takes longer to build this statement than PostgreSQL to answer it.
_RULES = f"""
    SELECT {_columns(MinorClass, "m")}, {_columns(Condition, "c")}, {_columns(CityOptions, "o")},
           (SELECT max(version) FROM cases_workcalendar)
    FROM cases_minorclass m CROSS JOIN cases_cityoptions o
    LEFT JOIN cases_condition c ON c.minor_id = m.code AND c.is_active AND c.code = %s
    WHERE m.code = %s AND m.is_active
"""  # noqa: S608 - columns of our own models


def _new_case(report: Report, place: Place, *, actor: User, key: uuid.UUID | None) -> Case:
    return Case(
        client_uuid=key or uuid.uuid4(),
        scope=place.district,
        stage=Stage.REPORTED,
        source=report.source,
        reporter=actor,
        minor_id=report.category,
        condition_id=report.condition or None,
        component_id=report.component or None,
        point=Point(round(report.lon, 7), round(report.lat, 7), srid=4326),
        accuracy_m=report.accuracy_m,
        district=place.district,
        county=place.county,
        street=place.street or "",
        community=place.community or "",
        grid_cell=place.cell or "",
        border_m=place.border_m,
        built_up=place.built_up,
        address=report.address,
        description=report.description,
        order_number=report.order_number,
        order_kind=report.order_kind,
        contact=report.contact,
        is_self_handled=report.is_self_handled,
        photos_due=list(report.photos_due),
    )


def _record(
    book: Book,
    folder: Folder,
    report: Report,
    actor: User,
    rules: Rules,
    photos: tuple[StoredPhoto, ...],
) -> list[Task]:
    case = folder.case
    case.reported_at = book.at
    book.start_minutes(folder, ClockKind.ACCEPT, rules.options.accept_min)
    if report.order_kind:
        _start_order(book, folder, rules)
    book.append(
        folder,
        Action.REPORT,
        actor=actor,
        role=_role_of(actor),
        facts=facts_of(photos) if photos else None,
        private=taken_of(photos),
        claimed_at=report.claimed_at,
    )
    accept_and_file(book, folder, rules.condition, rules.options, rules.calendar_version)
    return []


def _role_of(reporter: User) -> Role:
    """Return the role in which somebody reports; an assessor does so from a point drawn only."""
    posts = (Role.INSPECTOR, Role.OPERATOR)
    return next((post for post in posts if reporter.holds(post)), Role.ASSESSOR)


def _start_order(book: Book, folder: Folder, rules: Rules) -> None:
    """Start the order's own clock; it runs until the case ends (domain.md §8)."""
    days = {
        OrderKind.CONSULTATION: rules.options.consultation_days,
        OrderKind.COMPLAINT: rules.options.complaint_days,
    }
    limit = clock.Limit(days[OrderKind(folder.case.order_kind)], LimitUnit.WORK_DAY)
    calendar = load_calendar(rules.calendar_version)
    book.start_clock(
        folder,
        ClockKind.HOTLINE,
        due_at=clock.due_at(book.at, limit, calendar),
        soon_at=clock.soon_at(book.at, limit, calendar),
    )


def _self_handle(
    book: Book,
    folder: Folder,
    report: Report,
    actor: User,
    rules: Rules,
    photos: tuple[StoredPhoto, ...],
    checker_id: int | None,
) -> list[Task]:
    """Begin a case that was fixed on the spot; it waits for a check only (domain.md §3)."""
    case, condition = folder.case, rules.condition
    assert condition is not None
    case.reported_at = case.handled_at = book.at
    case.stage, case.calendar_version = Stage.HANDLED, rules.calendar_version
    case.extensions_left = rules.options.max_extensions  # for a unit, if the check fails
    case.suspensions_left = rules.options.max_suspensions
    case.limit_value, case.limit_unit = rules.options.limit_of(condition, built_up=case.built_up)
    book.append(
        folder,
        Action.SELF_HANDLE,
        actor=actor,
        role=Role.INSPECTOR,
        facts=facts_of(photos),
        private=taken_of(photos),
        claimed_at=report.claimed_at,
    )
    if not rules.options.auto_check or checker_id is None:
        return []
    return [check_now(book, folder, checker_id, minutes=rules.options.check_min)]


def accept_and_file(
    book: Book,
    folder: Folder,
    condition: Condition | None,
    options: CityOptions,
    calendar_version: int,
) -> list[Event]:
    """Take an inspector's report as far as the city's options let it go by itself.

    A leader's order is filed and dispatched directly, whatever the options (domain.md §3).
    """
    case = folder.case
    is_order = case.source == Source.LEADER
    goes_on = is_order or (case.source == Source.INSPECTOR and options.auto_accept)
    if case.photos_due or not goes_on:
        return []
    events = [filing.accept(book, folder, filing.By())]
    if condition is not None and (is_order or options.auto_file):
        filed = filing.file(
            book,
            folder,
            condition,
            filing.By(),
            options=options,
            calendar_version=calendar_version,
        )
        events.append(filed)
    return events


def next_number(at: datetime | None = None) -> str:
    """Give out the next case number of the day, Asia/Shanghai; only a day's first one may wait."""
    with connection.cursor() as cursor:
        cursor.execute(_NEXT_NUMBER, [at])
        row = cursor.fetchone()
        if row is None:
            cursor.execute(_FIRST_OF_DAY, [at])
            cursor.execute(_NEXT_NUMBER, [at])
            row = cursor.fetchone()
    day, place = row
    return f"HH{day:%Y%m%d}{place:05d}"


_DAY = "(coalesce(%s::timestamptz, clock_timestamp()) AT TIME ZONE 'Asia/Shanghai')::date"
_NEXT_NUMBER = f"""
    SELECT day, nextval('cases_number') - base FROM cases_numbercounter WHERE day = {_DAY}
"""  # noqa: S608 - no value from outside
_FIRST_OF_DAY = f"""
    INSERT INTO cases_numbercounter (day, base) VALUES ({_DAY}, nextval('cases_number'))
    ON CONFLICT (day) DO NOTHING
"""  # noqa: S608 - no value from outside


def require_reporter(case: Case, actor: User) -> None:
    """Raise NotAllowed unless `actor` reported the case and may still report."""
    if case.reporter_id != actor.pk or not policy.may_report(actor):
        raise NotAllowed(_("Only the reporter adds photos to a report."))


def require_announced(case: Case, sha256: str) -> None:
    """Raise BadPhoto unless the case waits for this photo, or has it."""
    if sha256 in case.photos_due or case.attachment_set.filter(sha256=sha256).exists():
        return
    raise BadPhoto(_("The report did not announce this photo: list its SHA-256 when reporting."))


@retrying
def add_due_photo(*, number: str, photo: StoredPhoto, actor: User) -> Case:
    """Store a photo the report announced; the last one lets the report go on by itself.

    Sending one again changes nothing. Raises BadPhoto for a photo the report did not announce,
    NotAllowed for anybody but the reporter.
    """
    folder = open_folder(number=number)
    case = folder.case
    require_reporter(case, actor)
    require_announced(case, photo.sha256)
    if photo.sha256 not in case.photos_due:
        return case
    options = CityOptions.objects.get()
    condition = (
        Condition.objects.select_related("minor").get(code=case.condition_id)
        if case.condition_id
        else None
    )
    version = current_version()
    case.photos_due = [sha for sha in case.photos_due if sha != photo.sha256]
    with open_book(case.scope) as book:
        book.append(
            folder,
            Action.STORE_PHOTO,
            actor=actor,
            role=_role_of(actor),
            facts={"sha256": photo.sha256},
            private=taken_of([photo]),
        )
        if case.stage == Stage.REPORTED and not case.photos_due:
            accept_and_file(book, folder, condition, options, version)
    attach(case, [photo], actor=actor, at=book.at)
    return case

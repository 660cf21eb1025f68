"""The API under /api/v1/ (docs: /api/schema/)."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.contrib.gis.geos import Point
from django.http import Http404, HttpResponse, QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from cases import policy
from cases.api.parsers import JSONParser
from cases.api.schemas import (
    MOST_PHOTOS,
    REPORT_KINDS,
    ActionSerializer,
    BulkSerializer,
    LocationSerializer,
    NearSerializer,
    NotedActionSerializer,
    ReportSerializer,
)
from cases.choices import DISTRICT_SLUGS, Action, Role, Source, Stage
from cases.errors import InvalidInput, NotAllowed
from cases.models import Case, CityOptions, Task
from cases.recurrence import NEAR_M, WITHIN
from cases.selectors.case_list import case_list
from cases.selectors.case_search import (
    LIGHTS,
    NAMES,
    PERIODS,
    SORTS,
    STAGES,
    read_filters,
    search,
)
from cases.selectors.catalogue import categories
from cases.selectors.deadline import deadlines_of
from cases.selectors.duplicates import Candidate, hint_of, hints
from cases.selectors.place import cell_name, locate
from cases.selectors.recurrence import closings_at
from cases.selectors.timeline import case_answer, events_of
from cases.services import bulk
from cases.services.intake import Report, report_case
from cases.services.moves import require_may_try, take_action
from cases.services.moves.inputs import with_booleans
from cases.services.photo_notes import photos_of_notes
from cases.services.photos import StoredPhoto, kind_of_photos, store
from cases.workflow import MOVES, Input
from cityops.accounts.models import User

PAGE = 100
MOST_LISTED = 200


# What a list is asked by; "cursor" and "limit" apart.
FILTER_PARAMETERS = (
    OpenApiParameter("q", str, description="words, a number or its part, pinyin initials"),
    OpenApiParameter("stage", str, enum=STAGES),
    OpenApiParameter("light", str, enum=LIGHTS),
    OpenApiParameter("district", str, enum=DISTRICT_SLUGS),
    OpenApiParameter("unit", str, description="code of the unit"),
    OpenApiParameter("category", str, description="event, event-01 or event-0112"),
    OpenApiParameter("source", str, enum=Source.values),
    OpenApiParameter("period", str, enum=list(PERIODS), description="what the days are of"),
    OpenApiParameter("grid", str, description="digits of a street, community or cell"),
    OpenApiParameter("from", OpenApiTypes.DATE, description="first day"),
    OpenApiParameter("to", OpenApiTypes.DATE, description="last day"),
    OpenApiParameter("sort", str, enum=list(SORTS)),
)


class CaseList(APIView):
    """Cases you may see; and the door new ones come in by."""

    @extend_schema(
        operation_id="cases_list",
        parameters=[
            *FILTER_PARAMETERS,
            OpenApiParameter("cursor", str, description="`next` of the page before"),
            OpenApiParameter("limit", int, description=f"1 to {MOST_LISTED}, {PAGE} if left out"),
        ],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> HttpResponse:
        """List cases, newest first unless `sort` is given; `next` is null on the last page."""
        asked = request.query_params
        refuse_unknown(asked, (*NAMES, "cursor", "limit"))
        filters, size = read_filters(asked), _limit(asked.get("limit", ""))
        found = search(person(request), filters, at=timezone.now())
        cursor, reader = asked.get("cursor", ""), person(request)
        rows, after = case_list(found, filters, reader=reader, cursor=cursor, size=size)
        text = f'{{"cases": {rows}, "next": {json.dumps(after or None)}}}'
        return HttpResponse(text, content_type="application/json")

    @extend_schema(
        operation_id="cases_report",
        request=ReportSerializer,
        responses={201: OpenApiTypes.OBJECT},
        parameters=[
            OpenApiParameter("Idempotency-Key", OpenApiTypes.UUID, "header", required=True)
        ],
    )
    def post(self, request: Request) -> Response:
        """Report a case. Repeating a request with its Idempotency-Key changes nothing."""
        key = required_key(request)
        body = ReportSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        said = dict(body.validated_data)
        place, notes = said.pop("location"), said.pop("photos_taken")
        report = Report(
            lon=place["lon"],
            lat=place["lat"],
            photos_due=tuple(dict.fromkeys(said.pop("photos"))),
            source=Source(said.pop("source")),
            is_self_handled=said.pop("self_handled"),
            **said,
        )
        _require_own_source(request, report)
        user = person(request)
        photos = photos_of_notes(notes, user, field="photos_taken", key=key)
        _require_kinds(photos)
        return Response(report_case(report=report, actor=user, key=key, photos=photos), status=201)


class CasesNear(APIView):
    """What a new report might be a duplicate of."""

    @extend_schema(
        operation_id="cases_near", parameters=[NearSerializer], responses=OpenApiTypes.OBJECT
    )
    def get(self, request: Request) -> Response:
        """List open cases of the class near the point, reported lately, nearest first.

        An inspector is told of those of others too, without what is said of people. `came_back`
        counts the closings the report would be a return of.
        """
        if not policy.may_report(person(request)):
            raise NotAllowed(_("Reporting needs the role inspector or operator."))
        asked = NearSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        point = Point(asked.validated_data["lon"], asked.validated_data["lat"], srid=4326)
        minor = asked.validated_data["category"]
        user, at = person(request), timezone.now()
        found = hints(point, minor, user, CityOptions.objects.get(), at=at)
        closed = closings_at(point, minor, user, at=at)
        came_back = {"closings": closed.count, "metres": NEAR_M, "days": WITHIN.days}
        return Response({"cases": [_hint(row, user) for row in found], "came_back": came_back})


def _hint(row: Candidate, user: User) -> dict[str, Any]:
    case, photo = row.case, row.photo_id
    leave = f"?hint={hint_of(photo, user)}" if photo else ""
    return {
        "number": case.number,
        "distance_m": row.distance_m,
        "reported_at": case.reported_at.isoformat(),
        "age_min": int(row.age.total_seconds() // 60),
        "condition": case.condition.text if case.condition else case.minor.name,
        "address": case.address if case.source == Source.INSPECTOR else "",
        "photo": reverse("photo_small", args=[photo]) + leave if photo else None,
        "photo_large": reverse("photo", args=[photo]) + leave if photo else None,
        "own": case.reporter_id == user.pk,
        "supported": row.is_supported,
    }


class CaseDetail(APIView):
    """One case."""

    @extend_schema(operation_id="case", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, number: str) -> Response:
        """Return a case with its whole history, and how its deadlines came about."""
        case = visible_case(request, number)
        events = events_of(case)
        answer = case_answer(case, events, reader=person(request), at=timezone.now())
        return Response({**answer, "deadlines": deadlines_of(case, events)})


class CaseActions(APIView):
    """What may be done to a case, and doing it.

    `photos` are notes of /api/v1/photos/, or the files of a multipart form.
    """

    parser_classes = [JSONParser, MultiPartParser]

    @extend_schema(operation_id="case_actions", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, number: str) -> Response:
        """Return the actions the table allows you now, with their inputs."""
        case = visible_case(request, number)
        task = Task.objects.open().filter(case=case).first()
        allowed = policy.actions_for(
            person(request),
            case,
            at=timezone.now(),
            assignee_id=task.assignee_id if task else None,
        )
        return Response(
            {
                "version": case.version,
                "actions": [
                    {
                        "action": action,
                        "required": sorted(MOVES[action].required),
                        "optional": sorted(MOVES[action].optional),
                        "leads_to": list(MOVES[action].targets_from(Stage(case.stage))),
                        "tells_reporter": MOVES[action].tells_reporter,
                    }
                    for action in allowed
                ],
            }
        )

    @extend_schema(
        operation_id="case_act", request=NotedActionSerializer, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: Request, number: str) -> Response:
        """Take an action; 409 with the present version when the case has moved on."""
        body = (ActionSerializer if request.FILES else NotedActionSerializer)(data=request.data)
        body.is_valid(raise_exception=True)
        said = body.validated_data
        action, key, user = Action(said["action"]), optional_key(request), person(request)
        if action != Action.SUPPORT:  # who sees the thing need not see the case
            storing = action if request.FILES else None
            require_may_try(number=number, action=storing, actor=user, key=key)
        answer = take_action(
            number=number,
            action=action,
            actor=user,
            seen_version=said["seen_version"],
            inputs=_action_inputs(request, said),
            photos=_action_photos(request, action, said.get("photos", ()), key),
            key=key,
            claimed_at=said.get("claimed_at"),
        )
        return Response(answer)


class CaseBulk(APIView):
    """One action on up to 200 cases."""

    @extend_schema(
        operation_id="cases_bulk",
        request=BulkSerializer,
        responses=OpenApiTypes.OBJECT,
        parameters=[
            OpenApiParameter("Idempotency-Key", OpenApiTypes.UUID, "header", required=True)
        ],
    )
    def post(self, request: Request) -> Response:
        """Take the action on each row by itself; the answer tells row by row what became of it.

        Repeating a request with its key changes nothing on rows that are done and tries the
        others again.
        """
        key = required_key(request)
        body = BulkSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        said = body.validated_data
        results = bulk.take_actions(
            action=Action(said["action"]),
            actor=person(request),
            rows=[bulk.Row(**row) for row in said["rows"]],
            inputs=said["inputs"],
            key=key,
        )
        return Response({"results": [_told(result) for result in results]})


def _told(result: bulk.Result) -> dict[str, Any]:
    if result.is_done:
        case = {name: result.answer[name] for name in ("version", "stage", "unit", "due_at")}
        return {"number": result.number, "done": True, **case}
    refusal = {"code": result.code, "detail": result.sentence}
    fields = {"fields": result.fields} if result.fields else {}
    return {"number": result.number, "done": False, **refusal, **fields}


class Locate(APIView):
    """Point to place."""

    @extend_schema(
        operation_id="locate", parameters=[LocationSerializer], responses=OpenApiTypes.OBJECT
    )
    def get(self, request: Request) -> Response:
        """Return cell, community, street, county, assessment district, distance to the border."""
        query = LocationSerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        place = locate(query.validated_data["lon"], query.validated_data["lat"])
        return Response(
            {
                "district": place.district,
                "county": place.county,
                "street": place.street,
                "street_name": place.street_name,
                "community": place.community,
                "community_name": place.community_name,
                "grid_cell": place.cell,
                "grid_cell_name": cell_name(place.cell) if place.cell else None,
                "border_m": place.border_m,
                "built_up": place.built_up,
                "location": {**query.validated_data, "crs": "wgs84"},
            }
        )


class Categories(APIView):
    """The classes a case may have."""

    @extend_schema(
        operation_id="categories",
        parameters=[OpenApiParameter("kind", str, enum=["component", "event"])],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        """List minor classes with their filing conditions and limits."""
        return Response({"categories": categories(request.query_params.get("kind"))})


def person(request: Request) -> User:
    """Return who is signed in; the default permission lets nobody else in."""
    assert isinstance(request.user, User)
    return request.user


def refuse_unknown(asked: QueryDict, known: Sequence[str]) -> None:
    """Raise InvalidInput for names that are none of ours: a filter is never ignored."""
    unknown = sorted(set(asked) - set(known))
    if unknown:
        raise InvalidInput(
            _("There is no filter %(names)s.") % {"names": ", ".join(map(ascii, unknown))},
            fields=dict.fromkeys(
                unknown, _("take one of: %(known)s") % {"known": ", ".join(known)}
            ),
        )


def visible_case(request: Request, number: str) -> Case:
    """Return the case if the user may see it; else it does not exist."""
    case = Case.objects.visible_to(person(request)).filter(number=number).first()
    if case is None:
        raise Http404
    return case


def required_key(request: Request) -> uuid.UUID:
    """Return the Idempotency-Key; raises InvalidInput when it is missing."""
    key = optional_key(request)
    if key is None:
        raise InvalidInput(
            _("The header Idempotency-Key is missing."),
            fields={"Idempotency-Key": _("send a UUID made for this request")},
        )
    return key


def optional_key(request: Request) -> uuid.UUID | None:
    """Return the Idempotency-Key if there is one; raises InvalidInput when it is no UUID."""
    text = request.headers.get("Idempotency-Key", "")
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        raise InvalidInput(
            _("The header Idempotency-Key is not a UUID."),
            fields={"Idempotency-Key": _("send a UUID made for this request")},
        ) from None


def _limit(text: str) -> int:
    if not text:
        return PAGE
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 0 < int(text) <= MOST_LISTED):
        raise InvalidInput(
            _("The limit is wrong."),
            fields={"limit": _("take a number from 1 to %(most)d") % {"most": MOST_LISTED}},
        )
    return int(text)


def _require_own_source(request: Request, report: Report) -> None:
    """Keep inspectors to their own source: only an operator enters other people's reports."""
    if report.source != Source.INSPECTOR and not person(request).holds(Role.OPERATOR):
        raise InvalidInput(
            _("Only an operator enters reports of other sources."),
            fields={"source": _("leave it out or send inspector")},
        )


def _require_kinds(photos: Sequence[StoredPhoto]) -> None:
    """Raise InvalidInput for a note that was given for something else than a report."""
    others = [number for number, photo in enumerate(photos) if photo.kind not in REPORT_KINDS]
    if others:
        raise InvalidInput(
            _("A photo was sent for something else than a report."),
            fields={
                f"photos_taken.{number}": _("send the photo again and use its new note")
                for number in others
            },
        )


def _action_inputs(request: Request, said: dict[str, Any]) -> dict[str, Any]:
    """Return the fields beside action and version; a form's "true" and "false" become booleans."""
    assert isinstance(request.data, dict)
    inputs = {k: v for k, v in request.data.items() if k not in (*said, "photos", "claimed_at")}
    return with_booleans(inputs)


def _action_photos(
    request: Request, action: Action, notes: Sequence[str], key: uuid.UUID | None
) -> tuple[StoredPhoto, ...]:
    """Store the files of a multipart request, or find the photos that were sent before."""
    may_bring = action in MOVES and Input.PHOTOS in MOVES[action].inputs
    if (request.FILES or notes) and not may_bring:
        raise InvalidInput(
            _("The action %(action)s takes no photos.") % {"action": action},
            fields={"photos": _("is not an input of this action")},
        )
    kind, sender = kind_of_photos(action), person(request)
    if request.FILES:
        _require_files_alone(request, action)
        uploads = request.FILES.getlist("photos")
        return tuple(store(upload, kind=kind, sender=sender) for upload in uploads)
    sent = photos_of_notes(notes, sender, field="photos", key=key)
    return tuple(replace(photo, kind=kind) for photo in sent)


def _require_files_alone(request: Request, action: Action) -> None:
    """Raise InvalidInput for files of which some would be left out, and for those of a support."""
    names = dict.fromkeys(sorted(set(request.FILES) - {"photos"}), _("send it as photos"))
    many = len(request.FILES.getlist("photos")) > MOST_PHOTOS
    if names or many:
        raise InvalidInput(
            _("Files of an action are called photos, and are %(most)d at most.")
            % {"most": MOST_PHOTOS},
            fields=names or {"photos": _("leave some out")},
        )
    if action == Action.SUPPORT:  # nothing is stored for who is not let at the case
        raise InvalidInput(
            _("A support takes its photos as notes."),
            fields={"photos": _("send them to /api/v1/photos/ first and name their notes")},
        )
    assert isinstance(request.data, QueryDict)  # a multipart form
    if any(isinstance(photo, str) for photo in request.data.getlist("photos")):
        raise InvalidInput(
            _("Photos come as files or as notes, not both."),
            fields={"photos": _("send all of them as notes")},
        )

"""The API of routing: why a case, or a report at a place, goes where it goes."""

from datetime import datetime
from typing import Any

from django.http import Http404
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from cases import policy
from cases.api.schemas import LocationSerializer
from cases.api.views import person, visible_case
from cases.choices import Source
from cases.datum import CRS_NAMES
from cases.errors import InvalidInput
from cases.models import Condition
from cases.selectors.place import locate
from cases.selectors.routing import Explanation, explain_case, explain_place, explanation_answer


class ReportedSerializer(LocationSerializer):
    """What might be reported at a place."""

    condition = serializers.CharField(max_length=24)
    source = serializers.ChoiceField(  # type: ignore[assignment]  # the base class has a `source` too
        choices=Source.choices, default=Source.INSPECTOR
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Keep the words beside the point."""
        return {**attrs, **super().validate(attrs)}


class MomentSerializer(serializers.Serializer[dict[str, Any]]):
    """The moment whose rules are asked."""

    at = serializers.DateTimeField(required=False, default=None)


class RoutingExplain(APIView):
    """Which unit answers, and why."""

    @extend_schema(
        operation_id="routing_explain",
        parameters=[
            OpenApiParameter("number", str, description="a case; the others are then left out"),
            OpenApiParameter("lon", float),
            OpenApiParameter("lat", float),
            OpenApiParameter("crs", str, enum=list(CRS_NAMES)),
            OpenApiParameter("condition", str, description="filing condition: event-0112-1"),
            OpenApiParameter("source", str, enum=Source.values),
            OpenApiParameter(
                "at",
                OpenApiTypes.DATETIME,
                description="by default now; of a case, the moment it was dispatched by rule",
            ),
        ],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        """Return every rule valid then, matched or not and why, the winner, and the limit.

        A case is explained to whoever may see it, a place to those who may read the rules.
        """
        moment = MomentSerializer(data=request.query_params)
        moment.is_valid(raise_exception=True)
        at = moment.validated_data["at"]
        number = request.query_params.get("number")
        explained = _of_case(request, number, at) if number else _of_place(request, at)
        return Response(explanation_answer(explained))


def _of_case(request: Request, number: str, at: datetime | None) -> Explanation:
    explained = explain_case(visible_case(request, number), at=at)
    if explained is None:
        raise InvalidInput(
            _("This case was not filed yet: no rule has been asked."),
            fields={"number": _("give a case that was filed")},
        )
    return explained


def _of_place(request: Request, at: datetime | None) -> Explanation:
    if not policy.may_read_routing(person(request)):
        raise Http404
    body = ReportedSerializer(data=request.query_params)
    body.is_valid(raise_exception=True)
    said = body.validated_data
    condition = Condition.objects.select_related("minor").filter(code=said["condition"]).first()
    if condition is None:
        raise InvalidInput(
            _("There is no filing condition %(code)s.") % {"code": said["condition"]},
            fields={"condition": _("take one of /api/v1/categories/")},
        )
    place = locate(said["lon"], said["lat"], at)
    return explain_place(place, condition, source=said["source"], at=at)

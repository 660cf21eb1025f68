"""Feedback about the pages, as a phone sends it that kept it first."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from cases.api.schemas import NotesField
from cases.api.views import person, required_key
from cases.forms.feedback import MOST_LETTERS, own_page
from cases.services.feedback import leave_feedback
from cases.services.photo_notes import photos_of_notes


class FeedbackSerializer(serializers.Serializer[dict[str, Any]]):
    """What somebody says about a page."""

    text = serializers.CharField(max_length=MOST_LETTERS)
    page = serializers.CharField(
        max_length=200, required=False, allow_blank=True, default="", help_text="path of the page"
    )
    photos = NotesField(max_length=1, required=False, default=list)


class FeedbackList(APIView):
    """Where feedback arrives; administrators read it in the admin."""

    @extend_schema(
        operation_id="feedback",
        request=FeedbackSerializer,
        responses={201: OpenApiTypes.OBJECT},
        parameters=[
            OpenApiParameter("Idempotency-Key", OpenApiTypes.UUID, "header", required=True)
        ],
    )
    def post(self, request: Request) -> Response:
        """Keep it with its screenshot. Repeating a request with its key changes nothing."""
        key, user = required_key(request), person(request)
        body = FeedbackSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        said = body.validated_data
        photos = photos_of_notes(said["photos"], user, field="photos", key=key)
        leave_feedback(
            text=said["text"],
            page=own_page(said["page"]),
            actor=user,
            key=key,
            screenshot=next(iter(photos), None),
        )
        return Response({"text": said["text"]}, status=201)

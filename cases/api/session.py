"""Who is signed in, for a phone about to send what it kept."""

from django.middleware.csrf import get_token
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from cases.api.views import person


@method_decorator(never_cache, "dispatch")
class Session(APIView):
    """The sign-in of this browser."""

    @extend_schema(operation_id="session", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """Return user name, name, the token a POST needs, and the server's time; else 401."""
        user = person(request)
        if user.must_change_password:
            raise NotAuthenticated
        token = get_token(request._request)
        now = timezone.now().isoformat()
        return Response({"user": user.username, "name": user.name, "csrf": token, "now": now})

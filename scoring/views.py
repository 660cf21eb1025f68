"""The assessment as JSON."""

import json

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from cityops.accounts.models import User
from scoring.lifecycle import may_read, stand_of
from scoring.periods import BadPeriod, parse_period
from scoring.services import NotBegun, compute_run


class Assessment(APIView):
    """Scores, ranks and counts of a period."""

    @extend_schema(operation_id="assessment", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, period: str) -> Response:
        """Return the published result of 2026-10, 2026-Q3, 2026-H1 or 2026, else today's."""
        assert isinstance(request.user, User)
        if not may_read(request.user):
            raise PermissionDenied
        try:
            wanted = parse_period(period)
            standing = stand_of(wanted)
            run = standing.run or compute_run(wanted)
        except (BadPeriod, NotBegun) as error:
            raise NotFound(str(error)) from error
        return Response(
            {
                "period": run.period,
                "state": standing.state,
                "edition": standing.edition,
                "as_of": run.as_of,
                "heads": run.heads,
                "scheme": run.scheme_id,
                "seal": run.seal,
                **json.loads(run.result),
            }
        )

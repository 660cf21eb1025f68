"""A list of cases as CSV, for other systems."""

import io

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from cases.api.views import FILTER_PARAMETERS, person, refuse_unknown
from cases.errors import InvalidInput
from cases.selectors.case_search import NAMES, read_filters
from cases.selectors.columns import COLUMNS, columns_named, columns_of
from cases.services.exports import MOST_AT_ONCE, Asked, count_rows, csv_now


class CaseExport(APIView):
    """Cases you may see as CSV."""

    @extend_schema(
        operation_id="cases_export",
        parameters=[
            *FILTER_PARAMETERS,
            OpenApiParameter(
                "columns",
                str,
                description=f"comma-separated, of {', '.join(c.key for c in COLUMNS)}; "
                "those you chose for the list if left out",
            ),
        ],
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> HttpResponse:
        """Return up to 2,000 cases as CSV (UTF-8 with BOM), as the list shows them."""
        asked, reader = request.query_params, person(request)
        refuse_unknown(asked, (*NAMES, "columns"))
        columns = columns_of(reader)
        if asked.get("columns"):
            keys = asked["columns"].split(",")
            known = {column.key for column in COLUMNS}
            if not known.issuperset(keys):
                words = _("take one of: %(known)s") % {"known": ", ".join(sorted(known))}
                raise InvalidInput(_("There is no such column."), fields={"columns": words})
            columns = columns_named(keys)
        wanted = Asked(read_filters(asked), columns)
        if count_rows(reader, wanted) > MOST_AT_ONCE:
            words = _("%(n)s cases at most: narrow the filters, by dates for example") % {
                "n": f"{MOST_AT_ONCE:,}"
            }
            raise InvalidInput(_("There are too many cases for one answer."), fields={"q": words})
        target = io.StringIO(newline="")
        csv_now(target, reader=reader, asked=wanted)
        name = f"cases-{timezone.localtime():%Y%m%d-%H%M}.csv"
        return HttpResponse(
            target.getvalue(),
            content_type="text/csv; charset=utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="{name}"',
                "Cache-Control": "private, no-store",
            },
        )

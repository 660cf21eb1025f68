"""Which inspector looks at a place."""

from django.db import connection

from cases.models import Case


def inspector_for(case: Case, *, is_stranger: bool = False) -> int | None:
    """Return the id of the inspector to send to a case; None when there is none.

    The one whose grids hold the place, else the one whose grids lie nearest to it. Another than
    the reporter where one exists, then the one with the fewest open tasks. `is_stranger`: only
    somebody who had nothing to do with the case before.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH own AS (
              SELECT u.id, g.code, starts_with(%(place)s, g.code) AS holds
              FROM accounts_user u
              JOIN accounts_grant held ON held.user_id = u.id AND held.role = 'inspector'
              LEFT JOIN LATERAL unnest(held.grids) AS g(code) ON true
              WHERE u.is_active AND NOT (%(is_stranger)s AND (u.id = %(reporter)s OR EXISTS (
                SELECT FROM cases_task t WHERE t.case_id = %(case)s AND t.assignee_id = u.id)))),
            nearest AS (
              SELECT own.id, min(a.geom <-> %(point)s::geometry) AS away
              FROM own JOIN cases_area a ON a.code = own.code AND upper_inf(a.valid)
              WHERE NOT EXISTS (SELECT FROM own WHERE holds) GROUP BY own.id)
            SELECT own.id FROM own LEFT JOIN nearest USING (id)
            GROUP BY own.id
            ORDER BY own.id = %(reporter)s, bool_or(holds) IS NOT TRUE,
              min(away) NULLS LAST,
              (SELECT count(*) FROM cases_task t
               WHERE t.assignee_id = own.id AND t.answered_at IS NULL),
              own.id
            LIMIT 1
            """,
            {
                "case": case.pk,
                "reporter": case.reporter_id,
                "is_stranger": is_stranger,
                "place": case.grid_cell or case.community or case.street or case.county,
                "point": case.point.hexewkb.decode() if case.point else None,
            },
        )
        row = cursor.fetchone()
    return row[0] if row else None

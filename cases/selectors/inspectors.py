"""Which inspector looks at a place."""

from django.db import connection

from cases.models import Case


def inspector_for(case: Case) -> int | None:
    """Return the id of the inspector to send a check to; None when the city has none.

    The one whose grids hold the place; else the one whose grids share the longest leading code
    (community, street, county). Another than the reporter where one exists, then the one with the
    fewest open tasks.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT u.id
            FROM accounts_user u
            JOIN accounts_grant g ON g.user_id = u.id AND g.role = 'inspector'
            LEFT JOIN LATERAL unnest(g.grids) AS own(code) ON true
            WHERE u.is_active
            GROUP BY u.id
            ORDER BY
              u.id = %(reporter)s,
              max(CASE
                WHEN starts_with(%(place)s, own.code) THEN 15
                WHEN left(own.code, 9) = left(%(place)s, 9) THEN 9
                WHEN left(own.code, 6) = left(%(place)s, 6) THEN 6
                ELSE 0 END) DESC,
              (SELECT count(*) FROM cases_task t
               WHERE t.assignee_id = u.id AND t.answered_at IS NULL),
              u.id
            LIMIT 1
            """,
            {
                "reporter": case.reporter_id,
                "place": case.grid_cell or case.community or case.street or case.county,
            },
        )
        row = cursor.fetchone()
    return row[0] if row else None

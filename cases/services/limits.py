"""Token buckets: how much one person, and the people of one district, may change a second."""

from math import ceil

from django.db import connection

# What has come back since; `excluded` carries the limits as the city's options say them now.
_LEFT = """
    least(excluded.burst, b.tokens
      + excluded.per_s * greatest(0, extract(epoch FROM clock_timestamp() - b.at))::float8)
"""
_SPEND = f"""
    INSERT INTO cases_bucket AS b (key, tokens, burst, per_s, at)
    SELECT %s::text, {{kind}}_burst - 1, {{kind}}_burst, {{kind}}_per_s, clock_timestamp()
    FROM {{source}}
    ON CONFLICT (key) DO UPDATE SET tokens = {_LEFT} - 1, burst = excluded.burst,
      per_s = excluded.per_s, at = clock_timestamp()
    WHERE {_LEFT} >= 1
    RETURNING key
"""  # noqa: S608 - no value from outside
# A person who must wait takes nothing from the others of the district.
_TAKE = f"""
    WITH person AS ({_SPEND.format(kind="user", source="cases_cityoptions")}),
    district AS ({_SPEND.format(kind="scope", source="cases_cityoptions, person")})
    SELECT EXISTS (SELECT FROM district)
"""  # noqa: S608 - the same
_WAIT = """
    SELECT max((1 - least(burst, tokens + per_s * extract(epoch FROM clock_timestamp() - at)))
               / per_s)
    FROM cases_bucket WHERE key IN (%s, %s)
"""


def take_token(*, user_id: int, scope: str) -> int:
    """Take a token of the person's bucket and one of the district's; 0, or the seconds to wait.

    One statement, committed by itself: its row locks last as long as it does, and any number of
    parallel calls get no more tokens than there are.
    """
    keys = [f"user:{user_id}", f"scope:{scope}"]
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, keys)
        if cursor.fetchone()[0]:
            return 0
        cursor.execute(_WAIT, keys)
        return max(1, ceil(cursor.fetchone()[0] or 0))

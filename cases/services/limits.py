"""Token buckets: how much one person, and the people of one district, may change a second.

And how much of photos one person may have kept.
"""

from math import ceil

from django.conf import settings
from django.db import connection
from django.db.backends.utils import CursorWrapper

# What has come back since; `excluded` is the bucket as it would be if it had been full: it carries
# the limits as they are now, and what is taken.
_LEFT = """
    least(excluded.burst, b.tokens
      + excluded.per_s * greatest(0, extract(epoch FROM clock_timestamp() - b.at))::float8)
"""
_TAKEN = "(excluded.burst - excluded.tokens)"
_OR_LESS = f"""
    ON CONFLICT (key) DO UPDATE SET tokens = {_LEFT} - {_TAKEN}, burst = excluded.burst,
      per_s = excluded.per_s, at = clock_timestamp()
    WHERE {_LEFT} >= {_TAKEN}
    RETURNING key
"""
_SPEND = f"""
    INSERT INTO cases_bucket AS b (key, tokens, burst, per_s, at)
    SELECT %s::text, {{kind}}_burst - 1, {{kind}}_burst, {{kind}}_per_s, clock_timestamp()
    FROM {{source}} {_OR_LESS}
"""  # noqa: S608 - no value from outside
# A person who must wait takes nothing from the others of the district.
_TAKE = f"""
    WITH person AS ({_SPEND.format(kind="user", source="cases_cityoptions")}),
    district AS ({_SPEND.format(kind="scope", source="cases_cityoptions, person")})
    SELECT EXISTS (SELECT FROM district)
"""  # noqa: S608 - the same
_TAKE_KB = f"""
    INSERT INTO cases_bucket AS b (key, tokens, burst, per_s, at)
    VALUES (%s, %s, %s, %s, clock_timestamp()) {_OR_LESS}
"""  # noqa: S608 - the same
_WAIT = """
    SELECT max((%s - least(burst, tokens + per_s * extract(epoch FROM clock_timestamp() - at)))
               / per_s)
    FROM cases_bucket WHERE key = ANY(%s)
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
        return _wait_s(cursor, 1, keys)


def take_room(*, user_id: int, size: int) -> int:
    """Take `size` bytes of the person's bucket of photos; 0, or the seconds to wait.

    A photo larger than the bucket takes all of it, so that it may come at all.
    """
    key, burst = f"photos:{user_id}", settings.PHOTO_BURST_KB
    size_kb = min(ceil(size / 1000), burst)
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_KB, [key, burst - size_kb, burst, settings.PHOTO_KB_PER_S])
        return 0 if cursor.fetchone() else _wait_s(cursor, size_kb, [key])


def _wait_s(cursor: CursorWrapper, wanted: int, keys: list[str]) -> int:
    cursor.execute(_WAIT, [wanted, keys])
    return max(1, ceil(cursor.fetchone()[0] or 0))

"""A request sent twice with one key changes nothing the second time (architecture.md §2)."""

import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.utils.translation import gettext as _

from cases.errors import KeyReused
from cases.ledger import canonical
from cases.models import Case, IdempotencyKey
from cityops.accounts.models import User


@dataclass
class Claim:
    """A key held by this transaction; `answer` is set when the request was answered before."""

    pk: int | None = None
    answer: dict[str, Any] | None = None

    def keep(self, case: Case, answer: dict[str, Any]) -> None:
        """Store the answer beside the change it reports."""
        if self.pk is None:
            return
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE cases_idempotencykey SET case_id = %s, answer = %s::jsonb WHERE id = %s",
                [case.pk, json.dumps(answer, ensure_ascii=False), self.pk],
            )


def claim(user: User | None, key: uuid.UUID | None, request: Any) -> Claim:
    """Take `key` for this transaction, waiting for a twin request that is still running.

    The first lock of every change. Raises KeyReused when the key came with another request.
    """
    if key is None or user is None:
        return Claim()
    digest = hashlib.sha256(canonical(request).encode()).digest()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO cases_idempotencykey (user_id, key, request_hash, created_at)
            VALUES (%s, %s, %s, now()) ON CONFLICT (user_id, key) DO NOTHING RETURNING id
            """,
            [user.pk, key, digest],
        )
        row = cursor.fetchone()
    if row is not None:
        return Claim(pk=row[0])
    before = IdempotencyKey.objects.get(user=user, key=key)
    if bytes(before.request_hash) != digest:
        raise key_reused()
    return Claim(answer=before.answer)


def key_reused() -> KeyReused:
    """Return the refusal of another request under a key that was used before."""
    return KeyReused(
        _("This Idempotency-Key was used with another request: send a new key."),
        fields={"Idempotency-Key": _("make a new UUID for a new request")},
    )


def was_answered(user: User, key: uuid.UUID | None) -> bool:
    """Whether a request of `user` with this key has been carried out."""
    return key is not None and IdempotencyKey.objects.filter(user=user, key=key).exists()

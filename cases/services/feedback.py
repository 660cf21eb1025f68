"""What people say about the pages: kept once, and read by an administrator."""

import uuid
from collections.abc import Sequence

from django.db import transaction
from django.db.models.functions import Now

from cases.models import Effect, Feedback
from cases.services.idempotency import key_reused
from cases.services.photos import StoredPhoto
from cityops.accounts.models import User


@transaction.atomic
def leave_feedback(
    *, text: str, page: str, actor: User, key: uuid.UUID, screenshot: StoredPhoto | None = None
) -> None:
    """Keep what `actor` says of a page and have the screenshot prepared; the same key is one.

    Raises KeyReused where something else was said under it.
    """
    sha256 = screenshot.sha256 if screenshot else ""
    said = {"by": actor, "text": text, "sha256": sha256}
    feedback, is_new = Feedback.objects.get_or_create(key=key, defaults={**said, "page": page})
    if said != {name: getattr(feedback, name) for name in said}:
        raise key_reused()
    if is_new and sha256:
        Effect.objects.create(
            key=f"screenshot:{feedback.pk}",
            kind="screenshot",
            queue="media",
            payload={"sha256": sha256, "feedback": feedback.pk},
        )


def mark_read(ids: Sequence[int], *, actor: User) -> int:
    """Note that `actor` has read these; returns how many nobody had read before."""
    unread = Feedback.objects.filter(pk__in=ids, read_at=None)
    return unread.update(read_at=Now(), read_by=actor)

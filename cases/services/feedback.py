"""What people say about the pages: kept once, and read by an administrator."""

import uuid
from collections.abc import Sequence

from django.db import transaction
from django.db.models.functions import Now

from cases.models import Effect, Feedback
from cases.services.photos import StoredPhoto
from cityops.accounts.models import User


@transaction.atomic
def leave_feedback(
    *, text: str, page: str, actor: User, key: uuid.UUID, screenshot: StoredPhoto | None = None
) -> None:
    """Keep what `actor` says of a page and have the screenshot prepared; the same key is one."""
    said = {"text": text, "page": page, "by": actor}
    sha256 = screenshot.sha256 if screenshot else ""
    feedback, is_new = Feedback.objects.get_or_create(key=key, defaults={**said, "sha256": sha256})
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

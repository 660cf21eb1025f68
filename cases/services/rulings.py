"""A person rules on an effect that waits for one: run it again, or discard it."""

from django.db.models.functions import Now
from django.utils.translation import gettext as _

from cases import policy
from cases.errors import InvalidInput
from cases.ledger import retrying
from cases.models import Effect, EffectRuling
from cases.selectors.outbox import STANDINGS
from cityops.accounts.models import User

Ruling = EffectRuling.Ruling
RUNS_MORE = 3  # allowed to an effect that is run again
MOST_ROWS = 500  # ruled on at once
MOST_REASON = 500  # characters


def rule(*, effect_id: int, seen_runs: int, ruling: Ruling, reason: str, actor: User) -> bool:
    """Rule on an effect and keep who, why and about what; False when it moved on since seen.

    `seen_runs` is how often it had run on the ruler's screen: what was run again and has come
    back is another matter. Raises InvalidInput without a reason to discard.
    """
    reason = reason.strip()
    if ruling == Ruling.DISCARD and not reason:
        words = _("Say why it need not be done, or what was done instead.")
        raise InvalidInput(words, fields={"reason": words})
    if len(reason) > MOST_REASON:
        words = _("At most %(n)d characters.") % {"n": MOST_REASON}
        raise InvalidInput(words, fields={"reason": words})
    return _rule(effect_id, seen_runs, ruling, reason, actor)


@retrying
def _rule(effect_id: int, seen_runs: int, ruling: Ruling, reason: str, actor: User) -> bool:
    scopes = policy.outbox_scopes(actor)
    waiting = Effect.objects.filter(STANDINGS["waiting"], scope__in=scopes, runs=seen_runs)
    effect = waiting.select_for_update().filter(pk=effect_id).first()
    if effect is None:
        return False
    EffectRuling.objects.create(
        effect=effect,
        ruling=ruling,
        reason=reason,
        by=actor,
        state=effect.state,
        runs=effect.runs,
        error=effect.last_error,
    )
    if ruling == Ruling.DISCARD:
        effect.state = Effect.State.DISCARDED
    else:
        effect.state = Effect.State.DUE
        effect.max_runs = effect.runs + RUNS_MORE
        effect.next_at = Now()
        effect.parked_at = None
    effect.save(update_fields=["state", "max_runs", "next_at", "parked_at"])
    return True

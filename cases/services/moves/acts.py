"""Which function carries out which action of the table."""

from collections.abc import Callable

from cases.choices import Action
from cases.ledger import Book
from cases.services.moves import (
    asked,
    before_filing,
    ending,
    merging,
    oversight,
    supporting,
    with_unit,
)
from cases.services.moves.recompute import recompute_one
from cases.services.moves.step import Step

APPLY: dict[Action, Callable[[Book, Step], None]] = {
    Action.ACCEPT: before_filing.accept,
    Action.DECLINE: before_filing.decline,
    Action.DECLINE_FILING: before_filing.decline,
    Action.SEND_VERIFY: before_filing.send_verify,
    Action.ANSWER_VERIFY: before_filing.answer_verify,
    Action.FILE: before_filing.file,
    Action.RECLASSIFY: before_filing.reclassify,
    Action.DISPATCH: with_unit.assign,
    Action.REASSIGN: with_unit.assign,
    Action.ARBITRATE: with_unit.assign,
    Action.REDISPATCH: with_unit.redispatch,
    Action.TRANSFER: with_unit.transfer,
    Action.SIGN: with_unit.sign,
    Action.RETURN: with_unit.give_back,
    Action.DISPUTE: with_unit.dispute,
    Action.SEND_ASSIST: with_unit.send_assist,
    Action.ASSIST: with_unit.assist,
    Action.ASSIGN_HANDLER: with_unit.assign_handler,
    Action.RELEASE_HANDLER: with_unit.release_handler,
    Action.FINISH: with_unit.finish,
    Action.SEND_CHECK: with_unit.send_check,
    Action.REQUEST_EXTENSION: asked.request_extension,
    Action.DECIDE_EXTENSION: asked.decide_extension,
    Action.REQUEST_SUSPENSION: asked.request_suspension,
    Action.DECIDE_SUSPENSION: asked.decide_suspension,
    Action.DEFER: asked.defer,
    Action.RESUME: asked.resume,
    Action.APPEAL: asked.appeal,
    Action.DECIDE_APPEAL: asked.decide_appeal,
    Action.PROPOSE_ADJUST: asked.propose_adjust,
    Action.ADJUST: asked.adjust,
    Action.ANSWER_CHECK: ending.answer_check,
    Action.REWORK: ending.rework,
    Action.CLOSE: ending.close,
    Action.FORCE_CLOSE: ending.force_close,
    Action.VOID: ending.void,
    Action.REOPEN: ending.reopen,
    Action.REVISIT: ending.revisit,
    Action.AUDIT_CLOSURE: ending.audit,
    Action.AUDIT_DECLINE: ending.audit,
    Action.ANSWER_AUDIT: ending.answer_audit,
    Action.MERGE: merging.merge,
    Action.UNMERGE: merging.unmerge,
    Action.REMIND: oversight.remind,
    Action.SUPPORT: supporting.support,
    Action.SUPERVISE: oversight.supervise,
    Action.REPLY_SUPERVISION: oversight.reply,
    Action.CONFIRM_EXIT: oversight.confirm_exit,
    Action.RECOMPUTE_DEADLINE: recompute_one,
}

"""What the database keeps about cases, one file per idea."""

from cases.models.area import Area, Border, District, PlaceName
from cases.models.attachment import Attachment
from cases.models.bucket import Bucket
from cases.models.calendar import WorkCalendar, WorkCalendarDay
from cases.models.case import (
    Case,
    CaseWords,
    CityOptions,
    DemoMonth,
    IdempotencyKey,
    NumberCounter,
    StageClock,
    Task,
)
from cases.models.category import Condition, Kind, MinorClass, PhotoRule, ProblemClass
from cases.models.component import Component, ComponentState
from cases.models.desk_alarm import DeskAlarm, DeskAlarmChoice, DeskAlarmRule
from cases.models.disclosure import Disclosure
from cases.models.draw import Draw
from cases.models.effect import Effect, EffectRuling
from cases.models.event import DistrictHead, Event
from cases.models.export import Export
from cases.models.feedback import Feedback
from cases.models.habit import Habit
from cases.models.handover import Handover, HandoverPaper
from cases.models.list_columns import ListColumns
from cases.models.notice import Channel, ChannelSecret, Notice
from cases.models.reconciliation import Alarm, Reconciliation
from cases.models.request import Assist, Refusal, Reply, Request, Supervision
from cases.models.rollup import Rollup, RollupCase, RollupState
from cases.models.routing import (
    Change,
    DraftRule,
    Rank,
    Responsibility,
    RoutingDraft,
    WorkingTime,
)
from cases.models.saved_search import SavedSearch
from cases.models.support import Support
from cases.models.unit import Unit, UnitKind
from cases.models.wall import Wall

__all__ = [
    "Alarm",
    "Area",
    "Assist",
    "Attachment",
    "Border",
    "Bucket",
    "Case",
    "CaseWords",
    "Change",
    "Channel",
    "ChannelSecret",
    "CityOptions",
    "Component",
    "ComponentState",
    "Condition",
    "DemoMonth",
    "DeskAlarm",
    "DeskAlarmChoice",
    "DeskAlarmRule",
    "Disclosure",
    "District",
    "DistrictHead",
    "DraftRule",
    "Draw",
    "Effect",
    "EffectRuling",
    "Event",
    "Export",
    "Feedback",
    "Habit",
    "Handover",
    "HandoverPaper",
    "IdempotencyKey",
    "Kind",
    "ListColumns",
    "MinorClass",
    "Notice",
    "NumberCounter",
    "PhotoRule",
    "PlaceName",
    "ProblemClass",
    "Rank",
    "Reconciliation",
    "Refusal",
    "Reply",
    "Request",
    "Responsibility",
    "Rollup",
    "RollupCase",
    "RollupState",
    "RoutingDraft",
    "SavedSearch",
    "StageClock",
    "Supervision",
    "Support",
    "Task",
    "Unit",
    "UnitKind",
    "Wall",
    "WorkCalendar",
    "WorkCalendarDay",
    "WorkingTime",
]

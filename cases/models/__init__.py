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
from cases.models.draw import Draw
from cases.models.effect import Effect, EffectRuling
from cases.models.event import DistrictHead, Event
from cases.models.feedback import Feedback
from cases.models.notice import Channel, ChannelSecret, Notice
from cases.models.reconciliation import Alarm, Reconciliation
from cases.models.request import Assist, Refusal, Reply, Request, Supervision
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
    "District",
    "DistrictHead",
    "DraftRule",
    "Draw",
    "Effect",
    "EffectRuling",
    "Event",
    "Feedback",
    "IdempotencyKey",
    "Kind",
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
    "RoutingDraft",
    "SavedSearch",
    "StageClock",
    "Supervision",
    "Support",
    "Task",
    "Unit",
    "UnitKind",
    "WorkCalendar",
    "WorkCalendarDay",
    "WorkingTime",
]

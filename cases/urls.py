"""Addresses of the cases app."""

from django.urls import path

from cases.api import views as api
from cases.api.export import CaseExport
from cases.api.feedback import FeedbackList
from cases.api.photos import CasePhoto, Photo
from cases.api.routing import RoutingExplain
from cases.api.session import Session
from cases.views import centre, desk
from cases.views.alarms import desk_health
from cases.views.case import case_action, case_disclose, case_page, case_panel
from cases.views.case_bulk import case_bulk
from cases.views.case_columns import case_columns
from cases.views.case_export import case_export
from cases.views.case_list import case_list
from cases.views.component import component_page
from cases.views.desk_alarms import alarm_acknowledge, alarm_choices, alarms
from cases.views.downloads import download, download_drop, downloads
from cases.views.handover import handover, handover_kept, handover_pdf
from cases.views.heat import heat, heat_areas, trend
from cases.views.hot_spots import hot_spot_cases, hot_spot_list
from cases.views.live import live_events
from cases.views.notices import notice_open, notices, notices_unread
from cases.views.outbox import outbox
from cases.views.outline import outline, outline_near
from cases.views.past import past, past_cases
from cases.views.phone_feedback import phone_feedback
from cases.views.phone_home import phone_home
from cases.views.phone_me import phone_me, phone_selfcheck
from cases.views.phone_outbox import phone_outbox, phone_worker
from cases.views.phone_report import phone_report
from cases.views.phone_task import phone_task
from cases.views.photos import photo, photo_small
from cases.views.routing import routing_explain
from cases.views.routing_drafts import routing_draft, routing_drafts, routing_drop, routing_rule
from cases.views.routing_preview import routing_preview, routing_publish
from cases.views.rule_list import routing
from cases.views.searches import search_change, search_delete, search_save
from cases.views.unit import unit_inbox
from cases.views.wall import wall, wall_feed, wall_outline

urlpatterns = [
    path("desk/", desk.desk, name="desk"),
    path("desk/queue/", desk.desk_queue, name="desk_queue"),
    path("desk/cases/", desk.cases, name="desk_cases"),
    path("desk/cards/", desk.cards, name="desk_cards"),
    path("desk/components/", desk.components, name="desk_components"),
    path("desk/heat/", heat, name="heat"),
    path("desk/heat/areas/", heat_areas, name="heat_areas"),
    path("desk/trend/", trend, name="trend"),
    path("desk/hotspots/", hot_spot_list, name="hot_spots"),
    path("desk/hotspots/cases/", hot_spot_cases, name="hot_spot_cases"),
    path("desk/past/", past, name="past"),
    path("desk/past/cases/", past_cases, name="past_cases"),
    path("desk/routing/", routing, name="routing"),
    path("desk/routing/explain/", routing_explain, name="routing_explain"),
    path("desk/routing/drafts/", routing_drafts, name="routing_drafts"),
    path("desk/routing/drafts/<int:draft_id>/", routing_draft, name="routing_draft"),
    path("desk/routing/drafts/<int:draft_id>/rule/", routing_rule, name="routing_rule"),
    path("desk/routing/drafts/<int:draft_id>/preview/", routing_preview, name="routing_preview"),
    path("desk/routing/drafts/<int:draft_id>/publish/", routing_publish, name="routing_publish"),
    path("desk/routing/drafts/<int:draft_id>/drop/", routing_drop, name="routing_drop"),
    path("desk/effects/", outbox, name="effects"),
    path("desk/handover/", handover, name="handover"),
    path("desk/handover/<int:pk>/", handover_kept, name="handover_kept"),
    path("desk/handover/<int:pk>/pdf/", handover_pdf, name="handover_pdf"),
    path("desk/health/", desk_health, name="desk_health"),
    path("desk/alarms/", alarms, name="desk_alarms"),
    path("desk/alarms/choices/", alarm_choices, name="desk_alarm_choices"),
    path("desk/alarms/<int:pk>/acknowledge/", alarm_acknowledge, name="desk_alarm_acknowledge"),
    path("wall/<str:token>/", wall, name="wall"),
    path("wall/<str:token>/feed/", wall_feed, name="wall_feed"),
    path("wall/<str:token>/outline/", wall_outline, name="wall_outline"),
    path("live/events", live_events, name="live_events"),
    path("notices/", notices, name="notices"),
    path("notices/unread/", notices_unread, name="notices_unread"),
    path("notices/<int:pk>/", notice_open, name="notice_open"),
    path("outline/", outline, name="outline"),
    path("outline/near/", outline_near, name="outline_near"),
    path("m/", phone_home, name="phone_home"),
    path("m/report/", phone_report, name="phone_report"),
    path("m/session/", Session.as_view(), name="phone_session"),
    path("m/outbox/", phone_outbox, name="phone_outbox"),
    path("m/sw.js", phone_worker, name="phone_worker"),
    path("m/tasks/<str:number>/", phone_task, name="phone_task"),
    path("m/me/", phone_me, name="phone_me"),
    path("m/feedback/", phone_feedback, name="phone_feedback"),
    path("m/selfcheck/", phone_selfcheck, name="phone_selfcheck"),
    path("p/<str:code>/", component_page, name="component"),
    path("cases/", case_list, name="case_list"),
    path("cases/bulk/", case_bulk, name="case_bulk"),
    path("cases/columns/", case_columns, name="case_columns"),
    path("cases/export/", case_export, name="case_export"),
    path("cases/searches/", search_save, name="search_save"),
    path("cases/searches/<int:pk>/", search_change, name="search_change"),
    path("cases/searches/<int:pk>/delete/", search_delete, name="search_delete"),
    path("cases/<str:number>/", case_page, name="case"),
    path("cases/<str:number>/panel/", case_panel, name="case_panel"),
    path("cases/<str:number>/actions/", case_action, name="case_action"),
    path("cases/<str:number>/people/", case_disclose, name="case_disclose"),
    path("downloads/", downloads, name="downloads"),
    path("downloads/<int:pk>/", download, name="download"),
    path("downloads/<int:pk>/drop/", download_drop, name="download_drop"),
    path("replies/", centre.replies, name="replies"),
    path("draws/", centre.draws, name="draws"),
    path("refusals/", centre.refusals, name="refusals"),
    path("unit/", unit_inbox, name="unit_inbox"),
    path("photos/<int:pk>/", photo, name="photo"),
    path("photos/<int:pk>/small/", photo_small, name="photo_small"),
    path("api/v1/cases/", api.CaseList.as_view(), name="api_cases"),
    path("api/v1/cases/bulk/", api.CaseBulk.as_view(), name="api_bulk"),
    path("api/v1/cases/export/", CaseExport.as_view(), name="api_export"),
    path("api/v1/cases/near/", api.CasesNear.as_view(), name="api_near"),
    path("api/v1/cases/<str:number>/", api.CaseDetail.as_view(), name="api_case"),
    path("api/v1/cases/<str:number>/actions/", api.CaseActions.as_view(), name="api_actions"),
    path(
        "api/v1/cases/<str:number>/photos/<str:sha256>/",
        CasePhoto.as_view(),
        name="api_photo",
    ),
    path("api/v1/feedback/", FeedbackList.as_view(), name="api_feedback"),
    path("api/v1/photos/<str:sha256>/", Photo.as_view(), name="api_photo_kept"),
    path("api/v1/locate/", api.Locate.as_view(), name="api_locate"),
    path("api/v1/routing/explain/", RoutingExplain.as_view(), name="api_routing_explain"),
    path("api/v1/categories/", api.Categories.as_view(), name="api_categories"),
]

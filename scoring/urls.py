"""Addresses of the scoring app."""

from django.urls import path

from scoring import (
    bulletin_pages,
    drill,
    key_task_pages,
    leader,
    lifecycle_pages,
    meeting_pages,
    onsite_pages,
    pages,
    presentation,
    satisfaction_pages,
    scheme_pages,
    trend,
)
from scoring.views import Assessment

urlpatterns = [
    path("api/v1/assessments/<str:period>/", Assessment.as_view(), name="assessment"),
    path("score/", pages.latest, name="score"),
    path("score/leader/", leader.leader, name="score_leader"),
    path("score/schemes/", scheme_pages.schemes, name="score_schemes"),
    path("score/schemes/<str:version>/", scheme_pages.scheme, name="score_scheme"),
    path("score/schemes/<str:version>/copy/", scheme_pages.scheme_copy, name="score_scheme_copy"),
    path("score/schemes/<str:version>/edit/", scheme_pages.scheme_edit, name="score_scheme_edit"),
    path(
        "score/schemes/<str:version>/trial/", scheme_pages.scheme_trial, name="score_scheme_trial"
    ),
    path(
        "score/schemes/<str:version>/propose/",
        scheme_pages.scheme_propose,
        name="score_scheme_propose",
    ),
    path(
        "score/schemes/<str:version>/withdraw/",
        scheme_pages.scheme_withdraw,
        name="score_scheme_withdraw",
    ),
    path(
        "score/schemes/<str:version>/approve/",
        scheme_pages.scheme_approve,
        name="score_scheme_approve",
    ),
    path(
        "score/schemes/<str:version>/entries/<str:period>/",
        scheme_pages.scheme_entries,
        name="score_scheme_entries",
    ),
    path("score/schemes/<str:version>/drop/", scheme_pages.scheme_drop, name="score_scheme_drop"),
    path("score/meetings/", meeting_pages.meetings, name="score_meetings"),
    path("score/meetings/items/", meeting_pages.meeting_items, name="score_meeting_items"),
    path("score/meetings/items/<int:pk>/", meeting_pages.meeting_item, name="score_meeting_item"),
    path("score/meetings/<str:period>/", meeting_pages.meeting, name="score_meeting"),
    path(
        "score/meetings/<str:period>/paper/",
        meeting_pages.meeting_paper,
        name="score_meeting_paper",
    ),
    path("score/<str:period>/standing/", lifecycle_pages.standing, name="score_standing"),
    path("score/<str:period>/close/", lifecycle_pages.close, name="score_close"),
    path("score/<str:period>/dates/", lifecycle_pages.dates, name="score_dates"),
    path("score/<str:period>/submit/", lifecycle_pages.submit, name="score_submit"),
    path("score/<str:period>/approve/", lifecycle_pages.approve, name="score_approve"),
    path("score/<str:period>/return/", lifecycle_pages.send_back, name="score_return"),
    path("score/<str:period>/changes/", lifecycle_pages.changes, name="score_changes"),
    path(
        "score/<str:period>/editions/<int:edition>/",
        lifecycle_pages.edition_page,
        name="score_edition",
    ),
    path("score/<str:period>/object/", lifecycle_pages.object_to, name="score_object"),
    path("score/<str:period>/objections/", lifecycle_pages.objections, name="score_objections"),
    path(
        "score/<str:period>/objections/<int:pk>/",
        lifecycle_pages.objection,
        name="score_objection",
    ),
    path(
        "score/<str:period>/objections/<int:pk>/say/",
        lifecycle_pages.objection_say,
        name="score_objection_say",
    ),
    path(
        "score/<str:period>/objections/<int:pk>/answer/",
        lifecycle_pages.objection_answer,
        name="score_objection_answer",
    ),
    path(
        "score/<str:period>/objections/<int:pk>/withdraw/",
        lifecycle_pages.objection_withdraw,
        name="score_objection_withdraw",
    ),
    path(
        "score/<str:period>/objections/<int:pk>/adjust/",
        lifecycle_pages.objection_adjust,
        name="score_objection_adjust",
    ),
    path("score/onsite/<str:period>/", onsite_pages.onsite, name="score_onsite"),
    path(
        "score/onsite/<str:period>/replace/",
        onsite_pages.onsite_replace,
        name="score_onsite_replace",
    ),
    path("score/onsite/<str:period>/pool.csv", onsite_pages.onsite_pool, name="score_onsite_pool"),
    path("score/key-tasks/task/<int:pk>/", key_task_pages.key_task, name="score_key_task"),
    path("score/key-tasks/<str:period>/", key_task_pages.key_tasks, name="score_key_tasks"),
    path(
        "score/key-tasks/<str:period>/add/", key_task_pages.key_task_add, name="score_key_task_add"
    ),
    path(
        "score/satisfaction/<str:period>/",
        satisfaction_pages.satisfaction,
        name="score_satisfaction",
    ),
    path(
        "score/satisfaction/<str:period>/import/",
        satisfaction_pages.survey_import,
        name="score_survey_import",
    ),
    path(
        "score/satisfaction/survey/<int:pk>/withdraw/",
        satisfaction_pages.survey_withdraw,
        name="score_survey_withdraw",
    ),
    path("m/onsite/", onsite_pages.phone_onsite, name="phone_onsite"),
    path("m/onsite/<int:pk>/", onsite_pages.phone_onsite_point, name="phone_onsite_point"),
    path("score/<str:period>/", pages.ranking, name="score_ranking"),
    path("score/<str:period>/show/", presentation.show, name="score_show"),
    path("score/<str:period>/trend/", trend.trend, name="score_trend"),
    path("score/<str:period>/bulletin/", bulletin_pages.bulletin, name="score_bulletin"),
    path("score/<str:period>/bulletin/word/", bulletin_pages.bulletin_word, name="score_word"),
    path("score/<str:period>/bulletin/pdf/", bulletin_pages.bulletin_pdf, name="score_pdf"),
    path("score/<str:period>/bulletin/excel/", bulletin_pages.bulletin_excel, name="score_excel"),
    path(
        "score/<str:period>/bulletin/template/",
        bulletin_pages.bulletin_template,
        name="score_template",
    ),
    path("score/<str:period>/<slug:body>/", pages.came_about, name="score_body"),
    path("score/<str:period>/<slug:body>/<slug:count>/", drill.members, name="score_members"),
]

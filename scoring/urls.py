"""Addresses of the scoring app."""

from django.urls import path

from scoring import key_task_pages, onsite_pages, pages, satisfaction_pages, scheme_pages
from scoring.views import Assessment

urlpatterns = [
    path("api/v1/assessments/<str:period>/", Assessment.as_view(), name="assessment"),
    path("score/", pages.latest, name="score"),
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
    path("score/onsite/<str:period>/", onsite_pages.onsite, name="score_onsite"),
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
    path("score/<str:period>/<slug:body>/<slug:count>/", pages.members, name="score_members"),
]

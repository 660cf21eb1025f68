"""Addresses of the scoring app."""

from django.urls import path

from scoring import bulletin_pages, drill, leader, pages, presentation, scheme_pages, trend
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

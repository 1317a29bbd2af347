"""Addresses of optimizations: searches, proposals and their doors."""

from django.urls import URLPattern, path

from trading.api import studies as studies_api
from trading.api import study_parts as study_parts_api
from trading.api import study_repeats as repeats_api
from trading.views import studies, study_actions, study_page

PAGES: list[URLPattern] = [
    path("optimizations/", studies.studies, name="studies"),
    path("optimizations/new/", studies.study_new, name="study_new"),
    path("optimizations/<int:study_id>/", study_page.study, name="study"),
    path("optimizations/<int:study_id>/live/", study_page.study_live, name="study_live"),
    path("optimizations/<int:study_id>/points/", study_page.study_points, name="study_points"),
    path(
        "optimizations/<int:study_id>/holdout/", study_actions.study_holdout, name="study_holdout"
    ),
    path("optimizations/<int:study_id>/apply/", study_actions.study_apply_page, name="study_apply"),
    path("optimizations/<int:study_id>/repeat/", study_actions.study_repeat, name="study_repeat"),
    path(
        "optimizations/<int:study_id>/<slug:action>/",
        study_actions.study_action,
        name="study_action",
    ),
    path(
        "optimization-proposals/<int:proposal_id>/<slug:action>/",
        study_actions.proposal_action,
        name="proposal_action",
    ),
]

DOORS: list[URLPattern] = [
    path("optimizations/quota/", study_parts_api.StudyQuotaApi.as_view(), name="api_studies_quota"),
    path(
        "optimizations/estimate/",
        study_parts_api.StudyEstimateApi.as_view(),
        name="api_studies_estimate",
    ),
    path(
        "optimizations/<int:study_id>/progress/",
        study_parts_api.StudyProgressApi.as_view(),
        name="api_study_progress",
    ),
    path(
        "optimizations/<int:study_id>/leaderboard/",
        study_parts_api.LeaderboardApi.as_view(),
        name="api_study_leaderboard",
    ),
    path(
        "optimizations/<int:study_id>/heatmap/",
        study_parts_api.HeatmapApi.as_view(),
        name="api_study_heatmap",
    ),
    path(
        "optimizations/<int:study_id>/points/",
        study_parts_api.PointsApi.as_view(),
        name="api_study_points",
    ),
    path("optimizations/", studies_api.StudyListApi.as_view(), name="api_studies"),
    path(
        "optimizations/repeats/",
        repeats_api.StudyRepeatListApi.as_view(),
        name="api_study_repeats",
    ),
    path(
        "optimizations/<int:study_id>/repeat/",
        repeats_api.StudyRepeatApi.as_view(),
        name="api_study_repeat",
    ),
    path(
        "optimization-proposals/",
        repeats_api.ProposalListApi.as_view(),
        name="api_study_proposals",
    ),
    path(
        "optimization-proposals/<int:proposal_id>/",
        repeats_api.ProposalDetailApi.as_view(),
        name="api_study_proposal",
    ),
    path(
        "optimization-proposals/<int:proposal_id>/accept/",
        repeats_api.ProposalAcceptApi.as_view(),
        name="api_study_proposal_accept",
    ),
    path(
        "optimization-proposals/<int:proposal_id>/reject/",
        repeats_api.ProposalRejectApi.as_view(),
        name="api_study_proposal_reject",
    ),
    path("optimizations/<int:study_id>/", studies_api.StudyDetailApi.as_view(), name="api_study"),
    path(
        "optimizations/<int:study_id>/trials/",
        studies_api.TrialListApi.as_view(),
        name="api_study_trials",
    ),
    path(
        "optimizations/<int:study_id>/trials.csv",
        studies_api.TrialCsvApi.as_view(),
        name="api_study_trials_csv",
    ),
    path(
        "optimizations/<int:study_id>/pause/",
        studies_api.StudyPauseApi.as_view(),
        name="api_study_pause",
    ),
    path(
        "optimizations/<int:study_id>/resume/",
        studies_api.StudyResumeApi.as_view(),
        name="api_study_resume",
    ),
    path(
        "optimizations/<int:study_id>/stop/",
        studies_api.StudyStopApi.as_view(),
        name="api_study_stop",
    ),
    path(
        "optimizations/<int:study_id>/extend/",
        studies_api.StudyExtendApi.as_view(),
        name="api_study_extend",
    ),
    path(
        "optimizations/<int:study_id>/holdout/",
        studies_api.StudyHoldoutApi.as_view(),
        name="api_study_holdout",
    ),
    path(
        "optimizations/<int:study_id>/apply/",
        studies_api.StudyApplyApi.as_view(),
        name="api_study_apply",
    ),
]

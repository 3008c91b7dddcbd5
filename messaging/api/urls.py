"""Addresses below /api/v1 that are about what was carried."""

from __future__ import annotations

from django.urls import path

from messaging.api import connection_test, outages, views

urlpatterns = [
    path("messages", views.MessageList.as_view()),
    path("messages/<uuid:message_id>", views.MessageDetail.as_view()),
    path("deliveries", views.DeliveryList.as_view()),
    path(
        "endpoints/<uuid:endpoint_id>/connection-test",
        connection_test.ConnectionTestView.as_view(),
    ),
    path("instructions", views.InstructionList.as_view()),
    path("connections", outages.ConnectionList.as_view()),
    path("holds", outages.HoldList.as_view()),
    path("holds/<uuid:hold_id>", outages.HoldDetail.as_view()),
    path("holds/<uuid:hold_id>/release", outages.HoldRelease.as_view()),
    path("outage-notices", outages.NoticeList.as_view()),
    path("outage-notices/<uuid:notice_id>", outages.NoticeDetail.as_view()),
    path("outage-notices/<uuid:notice_id>/cancel", outages.NoticeCancel.as_view()),
]

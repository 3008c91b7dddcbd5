"""Addresses below /api/v1 that are about what was carried."""

from __future__ import annotations

from django.urls import path

from messaging.api import connection_test, sequences, views

urlpatterns = [
    path("messages", views.MessageList.as_view()),
    path("messages/<uuid:message_id>", views.MessageDetail.as_view()),
    path("deliveries", views.DeliveryList.as_view()),
    path(
        "endpoints/<uuid:endpoint_id>/connection-test",
        connection_test.ConnectionTestView.as_view(),
    ),
    path("endpoints/<uuid:endpoint_id>/next-sequence", sequences.NextSequence.as_view()),
    path("instructions", views.InstructionList.as_view()),
]

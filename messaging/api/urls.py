"""Addresses below /api/v1 that are about what was carried."""

from __future__ import annotations

from django.urls import path

from messaging.api import answers, connection_test, outbox, sequences, submitting, views

urlpatterns = [
    path("messages", views.MessageList.as_view()),
    path("messages/bulk", submitting.MessageBulk.as_view()),
    path("messages/<uuid:message_id>", views.MessageDetail.as_view()),
    path("deliveries", views.DeliveryList.as_view()),
    path("deliveries/<uuid:delivery_id>", outbox.DeliveryDetail.as_view()),
    path("deliveries/<uuid:delivery_id>/replay", outbox.DeliveryReplay.as_view()),
    path("deliveries/<uuid:delivery_id>/abandon", outbox.DeliveryAbandonment.as_view()),
    path("deliveries/<uuid:delivery_id>/close", outbox.DeliveryClosing.as_view()),
    path("dead-letters", outbox.DeadLetterList.as_view()),
    path("dead-letters/replay", outbox.BulkReplay.as_view()),
    path(
        "endpoints/<uuid:endpoint_id>/connection-test",
        connection_test.ConnectionTestView.as_view(),
    ),
    path("endpoints/<uuid:endpoint_id>/next-sequence", sequences.NextSequence.as_view()),
    path("instructions", views.InstructionList.as_view()),
    path("instructions/<uuid:instruction_id>", answers.InstructionDetail.as_view()),
    path("instructions/<uuid:instruction_id>/accept", answers.InstructionAcceptance.as_view()),
    path("instructions/<uuid:instruction_id>/reject", answers.InstructionRejection.as_view()),
]

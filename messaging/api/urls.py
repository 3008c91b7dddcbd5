"""Addresses below /api/v1 that are about what was carried."""

from __future__ import annotations

from django.urls import path

from messaging.api import (
    answers,
    connection_test,
    links,
    outages,
    outbox,
    sequences,
    submitting,
    units,
    views,
)
from messaging.api.smp import jobs, registered, uploads

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
    path("links", links.LinkList.as_view()),
    path("links/<uuid:control_point_id>", links.LinkDetail.as_view()),
    path("endpoints/<uuid:endpoint_id>/next-sequence", sequences.NextSequence.as_view()),
    path("bm-units/<uuid:bm_unit_id>", units.BmUnitDetail.as_view()),
    path("bm-units/<uuid:bm_unit_id>/declared", units.BmUnitDeclared.as_view()),
    path("instructions", views.InstructionList.as_view()),
    path("smp/uploads", uploads.UploadView.as_view()),
    path("smp/jobs", jobs.JobList.as_view()),
    path("smp/jobs/<uuid:job_id>", jobs.JobDetail.as_view()),
    path("smp/jobs/<uuid:job_id>/cancel", jobs.JobCancel.as_view()),
    path("smp/jobs/<uuid:job_id>/errors", jobs.FindingList.as_view()),
    path("smp/jobs/<uuid:job_id>/rows", jobs.RowList.as_view()),
    path("smp/jobs/<uuid:job_id>/batches", jobs.BatchList.as_view()),
    path("smp/batches/<uuid:batch_id>/resolve", jobs.BatchResolve.as_view()),
    path("smp/assets", registered.AssetList.as_view()),
    path("smp/assets/<uuid:asset_id>", registered.AssetDetail.as_view()),
    path("smp/assets/<uuid:asset_id>/withdraw", registered.AssetWithdraw.as_view()),
    path("smp/units", registered.UnitList.as_view()),
    path("smp/units/<uuid:unit_id>/withdraw", registered.UnitWithdraw.as_view()),
    path("smp/capacity", registered.CapacityView.as_view()),
    path("smp/login", registered.LoginView.as_view()),
    path("connections", outages.ConnectionList.as_view()),
    path("holds", outages.HoldList.as_view()),
    path("holds/<uuid:hold_id>", outages.HoldDetail.as_view()),
    path("holds/<uuid:hold_id>/release", outages.HoldRelease.as_view()),
    path("outage-notices", outages.NoticeList.as_view()),
    path("outage-notices/<uuid:notice_id>", outages.NoticeDetail.as_view()),
    path("outage-notices/<uuid:notice_id>/cancel", outages.NoticeCancel.as_view()),
    path("instructions/<uuid:instruction_id>", answers.InstructionDetail.as_view()),
    path("instructions/<uuid:instruction_id>/accept", answers.InstructionAcceptance.as_view()),
    path("instructions/<uuid:instruction_id>/reject", answers.InstructionRejection.as_view()),
]

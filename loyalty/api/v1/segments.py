"""Segments: saved filters over customers, with how many are in each now (extensions). Staff save them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import documentation, errors, fields, pagination, query, views
from loyalty.api.keys import Scope
from loyalty.segments import queries
from loyalty.segments.models import Segment


class SegmentSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    criteria = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        help_text="What narrows the customers, as it was chosen: a parameter, and its values. All of it must fit. Days are "
        "counted anew each time.",
    )
    description = fields.OptionalTextField(help_text="The same in words.")
    customers_count = serializers.IntegerField(
        allow_null=True, help_text="How many are in it now. Null: it cannot be read any more, and `trouble` says why."
    )
    customers_count_exact = serializers.BooleanField(
        help_text="False where counting took too long: then the count is what the database expects."
    )
    trouble = fields.OptionalTextField()
    created_at = fields.InstantField()
    updated_at = fields.InstantField()


class Segments(views.ApiView):
    scopes = {"GET": Scope.SEGMENT_READ}

    @documentation.listing("segments", SegmentSerializer, summary="List segments of customers (extension)")
    def get(self, request: Request) -> Response:
        page = pagination.by_cursor(Segment.objects.all(), request=request)
        return Response({"segments": shape(page.rows, now=timezone.now()), "metadata": page.metadata})


class OneSegment(views.ApiView):
    scopes = {"GET": Scope.SEGMENT_READ}

    @documentation.single("segment", SegmentSerializer, summary="Get a segment, counted now (extension)")
    def get(self, request: Request, pk: str) -> Response:
        segment = Segment.objects.filter(pk=query.path_id(pk)).first()
        if segment is None:
            raise errors.NotFound(f"There is no segment {pk}.")
        return Response({"segment": shape([segment], now=timezone.now())[0]})


def shape(segments: Sequence[Segment], *, now: datetime) -> list[dict[str, Any]]:
    """Segments as the wire has them, counted as long as a caller can wait."""
    told = queries.told(segments=segments, now=now)
    rows = [
        {
            "id": segment.pk,
            "name": segment.name,
            "criteria": segment.criteria,
            "description": told[segment.pk].words,
            "customers_count": told[segment.pk].count,
            "customers_count_exact": told[segment.pk].exact,
            "trouble": told[segment.pk].trouble,
            "created_at": segment.created_at,
            "updated_at": segment.updated_at,
        }
        for segment in segments
    ]
    return list(SegmentSerializer(rows, many=True).data)

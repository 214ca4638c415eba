"""What points are called."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import documentation, views
from loyalty.api.keys import Scope
from loyalty.merchant import queries as merchant


class PointsLabelSerializer(serializers.Serializer):
    one = serializers.CharField(source="points_label_one", help_text="Of one, such as `Point`.")
    other = serializers.CharField(source="points_label_other", help_text="Of any other number, such as `Points`.")


class PointsSettingsSerializer(serializers.Serializer):
    points_label = PointsLabelSerializer(source="*")


class PointsSettings(views.ApiView):
    scopes = {"GET": Scope.POINTS_SETTINGS_READ}

    @documentation.the_one("points_settings", PointsSettingsSerializer, summary="Get what points are called")
    def get(self, request: Request) -> Response:
        return Response({"points_settings": PointsSettingsSerializer(merchant.programme()).data})

from django.apps import AppConfig


class SegmentsConfig(AppConfig):
    name = "loyalty.segments"
    label = "segments"
    verbose_name = "Segments"

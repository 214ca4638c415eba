from django.apps import AppConfig


class InsightsConfig(AppConfig):
    name = "loyalty.insights"
    label = "insights"

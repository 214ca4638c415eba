from django.apps import AppConfig


class MergingConfig(AppConfig):
    name = "loyalty.merging"
    label = "merging"
    verbose_name = "Merges"

from django.apps import AppConfig


class ErasureConfig(AppConfig):
    name = "loyalty.erasure"
    label = "erasure"
    verbose_name = "Privacy"

from django.apps import AppConfig


class HooksConfig(AppConfig):
    name = "loyalty.hooks"
    label = "hooks"
    verbose_name = "Webhooks in"

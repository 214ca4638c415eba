from django.apps import AppConfig


class ProgramConfig(AppConfig):
    name = "loyalty.program"
    label = "program"
    verbose_name = "Orders"

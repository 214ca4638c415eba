from django.apps import AppConfig


class CockpitConfig(AppConfig):
    name = "loyalty.cockpit"
    label = "cockpit"
    verbose_name = "Cockpit"

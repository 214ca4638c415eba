from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "loyalty.demo"
    label = "demo"

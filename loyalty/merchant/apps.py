from django.apps import AppConfig


class MerchantConfig(AppConfig):
    name = "loyalty.merchant"
    label = "merchant"
    verbose_name = "Programme"

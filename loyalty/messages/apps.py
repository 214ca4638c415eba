from django.apps import AppConfig


class MessagesConfig(AppConfig):
    name = "loyalty.messages"
    label = "loyalty_messages"
    verbose_name = "Messages"

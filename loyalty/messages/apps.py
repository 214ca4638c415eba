from django.apps import AppConfig


class MessagesConfig(AppConfig):
    name = "loyalty.messages"
    label = "messages_out"  # Django's own messages have the shorter one
    verbose_name = "Messages"

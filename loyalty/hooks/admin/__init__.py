from loyalty.hooks.admin import webhooks

__all__ = ["webhooks"]

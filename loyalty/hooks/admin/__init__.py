from loyalty.hooks.admin import privacy, webhooks

__all__ = ["privacy", "webhooks"]

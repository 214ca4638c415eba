from loyalty.hooks.admin import privacy, webhooks, wishes

__all__ = ["privacy", "webhooks", "wishes"]

from loyalty.messages.admin import page

__all__ = ["page"]

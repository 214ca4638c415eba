from loyalty.messages.admin import page, texts

__all__ = ["page", "texts"]

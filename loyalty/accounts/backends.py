"""Who signs in, and how they are read at each request."""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.http import HttpRequest

from loyalty.accounts.models import User


class Backend(AuthenticationBackend):
    """Named by the setting AUTHENTICATION_BACKENDS. Reads the user together with the customer they are: one query."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        """Whose address and password they are: one look-up and one hashing, whether the address is known or not."""
        email, password = credentials.get("email") or credentials.get("username"), credentials.get("password")
        if not email or not password:
            return None
        user = User.objects.by_email(email)
        if user is None:
            self._mitigate_timing_attack(password)
            return None
        found: User | None = self._check_password(user, password)
        return found

    def get_user(self, user_id: int) -> User | None:
        """The user of a session; None when there is none any more, or they may not sign in."""
        user = User.objects.select_related("customer").filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None

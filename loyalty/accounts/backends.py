"""Who signs in, and how they are read at each request."""

from allauth.account.auth_backends import AuthenticationBackend

from loyalty.accounts.models import User


class Backend(AuthenticationBackend):
    """Named by the setting AUTHENTICATION_BACKENDS. Reads the user together with the customer they are: one query."""

    def get_user(self, user_id: int) -> User | None:
        """The user of a session; None when there is none any more, or they may not sign in."""
        user = User.objects.select_related("customer").filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None

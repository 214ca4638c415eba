"""Making users: addresses are stored in lower case, as people sign in with any."""

from typing import TYPE_CHECKING, Any

from django.contrib.auth.base_user import BaseUserManager
from django.db.models import Value
from django.db.models.functions import Lower

if TYPE_CHECKING:
    from loyalty.accounts.models import User


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> "User":
        found = self.by_email(username or "")
        if found is None:
            raise self.model.DoesNotExist("There is no user with this address.")
        return found

    def by_email(self, email: str) -> "User | None":
        """Whose address it is, however it is written. One statement, by the index, found or not."""
        lowered = self.alias(lowered=Lower("email")).filter(lowered=Lower(Value(email.strip())))
        return lowered.first()

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A user with that address; without a password they sign in with a code by e-mail."""
        if not email:
            raise ValueError("A user needs an e-mail address.")
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

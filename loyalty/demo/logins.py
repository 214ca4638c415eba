"""The people who can sign in to the demo, and the private file that tells how."""

import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group
from django.db import transaction

from loyalty.accounts import roles
from loyalty.accounts.models import User
from loyalty.accounts.roles import Role
from loyalty.api import keys
from loyalty.api.keys import Scope
from loyalty.api.models import ApiKey
from loyalty.common import actors
from loyalty.common.errors import DomainError
from loyalty.customers import enrollment
from loyalty.customers.models import Customer
from loyalty.embedded import home
from loyalty.embedded.summary import Credentials, Login

STAFF = {
    Role.VIEWER: ("viewer@example.com", "Vera Viewer"),
    Role.SUPPORT: ("support@example.com", "Sam Support"),
    Role.FULFILMENT: ("fulfilment@example.com", "Filip Fulfilment"),
    Role.MANAGER: ("manager@example.com", "Mara Manager"),
}
KEY_NAME = "Demo key"


class CredentialsFileRefused(DomainError):
    """The file of logins cannot be read or written."""

    code = "credentials_file_refused"


class CredentialsFile:
    """Passwords and the API key, readable by their owner alone. What is in it is used again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._passwords: dict[str, str] = {}
        self._roles: dict[str, str] = {}
        self.api_key = ""
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            raise CredentialsFileRefused(
                f"{path} is not a file of demo logins that can be read. Remove it, and new ones are made."
            ) from error
        if isinstance(said, dict):
            logins = [*said.get("staff", []), *said.get("customers", [])]
            self._passwords = {login["email"]: login["password"] for login in logins}
            self.api_key = str(said.get("api_key", ""))

    def password(self, email: str) -> str | None:
        """The password that was told before."""
        return self._passwords.get(email)

    def tell(self, email: str, password: str, *, role: str = "") -> None:
        self._passwords[email] = password
        self._roles[email] = role

    def write(self) -> None:
        """Write it whole or not at all. Call it after the database has taken what it tells."""
        staff: list[Login] = []
        customers: list[Login] = []
        for email, role in self._roles.items():
            login: Login = {"email": email, "password": self._passwords[email]}
            if role:
                staff.append({**login, "role": role})
            else:
                customers.append(login)
        told: Credentials = {"staff": staff, "customers": customers, "api_key": self.api_key}
        try:
            home.write_private(self._path, json.dumps(told, indent=1))
        except OSError as error:
            raise CredentialsFileRefused(f"{self._path} cannot be written: {error.strerror}.") from error


def staff(file: CredentialsFile) -> Mapping[str, int]:
    """One person for each role; gives back their user ids by role."""
    roles.sync()
    made = {}
    for role, (email, name) in STAFF.items():
        user = _user(file, email=email, name=name, role=role)
        user.groups.add(Group.objects.get(name=role.value))
        made[role.value] = user.pk
    return made


def customer(file: CredentialsFile, *, customer: Customer, now: datetime) -> None:
    """Let a customer sign in, with a password or with a code by e-mail."""
    user = _user(file, email=customer.email or "", name=customer.full_name)
    enrollment.link_user(customer_id=customer.pk, user_id=user.pk, actor=actors.SYSTEM, now=now)


def api_key(file: CredentialsFile, *, manager_id: int, now: datetime) -> None:
    """A key that may do everything. A key whose secret was lost is ended."""
    if file.api_key and keys.find(secret=file.api_key, now=now) is not None:
        return
    for lost in ApiKey.objects.filter(name=KEY_NAME, revoked_at__isnull=True).values_list("pk", flat=True):
        keys.revoke(key_id=lost, now=now)
    _, file.api_key = keys.create(name=KEY_NAME, scopes=Scope.values, created_by_id=manager_id, now=now)


@transaction.atomic
def _user(file: CredentialsFile, *, email: str, name: str, role: str = "") -> User:
    """The user, made or with a new password where the file tells none. A password that was told is left as it is."""
    told = file.password(email)
    password = told or secrets.token_urlsafe(15)
    user = User.objects.filter(email__iexact=email).first()
    if user is None:
        user = User.objects.create_user(email, password, name=name, is_staff=bool(role))
    elif told is None:
        user.set_password(password)
        user.save(update_fields=["password"])
    EmailAddress.objects.update_or_create(user=user, email=email, defaults={"verified": True, "primary": True})
    file.tell(email, password, role=role)
    return user

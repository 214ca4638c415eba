"""Shop credentials at rest: sealed with the first of CREDENTIALS_KEYS, opened with any of them."""

import json
from collections.abc import Mapping

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from loyalty.common.errors import DomainError


class CredentialsUnreadable(DomainError):
    """None of the keys we have opens these credentials."""

    code = "credentials_unreadable"


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.CREDENTIALS_KEYS])


def seal(credentials: Mapping[str, str]) -> str:
    """Encrypt credentials for the database."""
    return _keys().encrypt(json.dumps(dict(credentials)).encode()).decode()


def unseal(sealed: str) -> dict[str, str]:
    """Decrypt them. Raises CredentialsUnreadable when the key they were sealed with is gone."""
    if not sealed:
        return {}
    try:
        opened = _keys().decrypt(sealed.encode())
    except InvalidToken as error:
        raise CredentialsUnreadable(
            "The stored credentials of this shop cannot be read with the present CREDENTIALS_KEYS. "
            "Put the old key back after the new one, or enter the credentials again."
        ) from error
    return {str(name): str(value) for name, value in json.loads(opened).items()}


def reseal(sealed: str) -> str:
    """The same credentials under the newest key. Raises CredentialsUnreadable."""
    return seal(unseal(sealed))

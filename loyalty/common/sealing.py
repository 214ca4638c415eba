"""Secrets at rest: sealed with the first of CREDENTIALS_KEYS, opened with any of them."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from loyalty.common.errors import DomainError


class Unreadable(DomainError):
    """None of the keys we have opens this secret."""

    code = "secret_unreadable"


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.CREDENTIALS_KEYS])


def seal(text: str) -> str:
    """Encrypt a secret for the database."""
    return _keys().encrypt(text.encode()).decode()


def resealed(sealed: str) -> str:
    """The same secret sealed with the newest key; as it is when that is the one. Raises Unreadable."""
    try:
        Fernet(settings.CREDENTIALS_KEYS[0]).decrypt(sealed.encode())
    except InvalidToken:
        return seal(unseal(sealed))
    return sealed


def unseal(sealed: str) -> str:
    """Decrypt it. Raises Unreadable when the key it was sealed with is gone."""
    try:
        return _keys().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise Unreadable(
            "A stored secret cannot be read with the present CREDENTIALS_KEYS. Put the old key back after the new one."
        ) from error

"""Shop credentials at rest: encrypted, and only ever opened to build an adapter."""

import json
from collections.abc import Mapping

from loyalty.common import sealing
from loyalty.common.errors import DomainError


class CredentialsUnreadable(DomainError):
    """None of the keys we have opens these credentials."""

    code = "credentials_unreadable"


def seal(credentials: Mapping[str, str]) -> str:
    """Encrypt credentials for the database."""
    return sealing.seal(json.dumps(dict(credentials)))


def unseal(sealed: str) -> dict[str, str]:
    """Decrypt them. Raises CredentialsUnreadable when the key they were sealed with is gone."""
    if not sealed:
        return {}
    try:
        opened = sealing.unseal(sealed)
    except sealing.Unreadable as error:
        raise CredentialsUnreadable(
            "The stored credentials of this shop cannot be read with the present CREDENTIALS_KEYS. "
            "Put the old key back after the new one, or enter the credentials again."
        ) from error
    return {str(name): str(value) for name, value in json.loads(opened).items()}

"""Staff in every role."""

from tests.accounts.conftest import signed_in

__all__ = ["signed_in"]

"""Staff in every role, and the sandbox shop."""

from tests.accounts.conftest import signed_in
from tests.platforms_admin.conftest import shop_process

__all__ = ["shop_process", "signed_in"]

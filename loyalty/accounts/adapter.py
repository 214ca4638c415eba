"""How people sign in: the rules of ours that allauth asks for.

One door serves old and new customers: whoever can read the mail sent to an address may sign in as its user, so no
sign-up form is needed, and nobody can tell from any answer whether an address is known.
"""

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.mfa.adapter import DefaultMFAAdapter
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse

from loyalty.accounts.models import User
from loyalty.common import sealing


class AccountAdapter(DefaultAccountAdapter):
    """What allauth asks of us; its mails are written a layer above, by `loyalty.messages.sign_in`."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Never: asking for a code is how people join, and no password is set before an address is proved."""
        return False

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Staff who are no customers have nothing to see in the cockpit: they land in the admin."""
        if request.user.is_staff and not hasattr(request.user, "customer"):
            return reverse("admin:index")
        return str(super().get_login_redirect_url(request))


class SecondFactorAdapter(DefaultMFAAdapter):
    """Named by the setting MFA_ADAPTER: the secrets of second factors are encrypted at rest."""

    def encrypt(self, text: str) -> str:
        return sealing.seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        return sealing.unseal(encrypted_text)


def user_for_code(*, email: str, new: bool = True) -> User | None:
    """The user a sign-in code to this address would sign in, made when the address is new. None: may not sign in.

    Unless `new` users are welcome, an address that is no user's may not sign in. The user's address is known to allauth
    afterwards, unverified until the code comes back. The statements are the same whoever it is, as a clock tells tales:
    what may not be is made, too, and taken back.
    """
    email = email.strip().lower()
    if not email:
        raise ValueError("A user needs an e-mail address.")
    with transaction.atomic():
        before = User.objects.by_email(email)
        newcomer = User(email=email)
        newcomer.set_unusable_password()
        User.objects.bulk_create([newcomer], ignore_conflicts=True)
        user = User.objects.by_email(email)
        EmailAddress.objects.bulk_create([EmailAddress(user=user, email=email, primary=True)], ignore_conflicts=True)
        welcome = user is not None and user.is_active and (new or before is not None)
        if not welcome:
            transaction.set_rollback(True)
    return user if welcome else None


def verified_addresses(*, user: User) -> list[str]:
    """The addresses this user has proved to own, the main one first."""
    owned = EmailAddress.objects.filter(user=user, verified=True).order_by("-primary", "pk")
    return [str(address.email) for address in owned]

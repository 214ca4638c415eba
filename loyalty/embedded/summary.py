"""What the demo prints when it is ready: where everything is, and how to get in."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypedDict


class Say(Protocol):
    def __call__(self, sentence: str) -> None: ...


class Login(TypedDict, total=False):
    email: str
    password: str
    role: str


class Credentials(TypedDict, total=False):
    """What load_demo writes for the person who tries the demo."""

    staff: list[Login]
    customers: list[Login]
    api_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the demo is to be found."""

    web: str
    shop: str
    mails: str
    shop_token: str
    logs: Path


def show(places: Places, *, credentials: Credentials, say: Say) -> None:
    say("ready. Ctrl-C stops it, `make demo` resumes it, `make demo-reset` starts afresh.")
    rows = [
        ("Admin", f"{places.web}/admin/"),
        ("Cockpit", f"{places.web}/"),
        ("API", f"{places.web}/api/v1/schema/"),
        ("", f"curl -H 'Authorization: Bearer {credentials.get('api_key', '')}' {places.web}/api/v1/customers"),
        ("E-mails", f"{places.mails}/"),
        ("Sandbox shop", f"{places.shop}/"),
        ("", f"{places.shop}/admin with the token {places.shop_token}"),
    ]
    for kind, people in (("Staff", credentials.get("staff", [])), ("Customers", credentials.get("customers", []))):
        for number, login in enumerate(people):
            role = f"  ({login['role']})" if login.get("role") else ""
            rows.append((kind if number == 0 else "", f"{login['email']}  {login['password']}{role}"))
    rows.append(("Logs", str(places.logs)))
    print()
    for name, value in rows:
        print(f"  {name:<13} {value}")
    print("\n  E-mails, sign-in codes among them, stand on their page and are shown below.\n", flush=True)

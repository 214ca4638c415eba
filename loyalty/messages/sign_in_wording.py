"""What mails about signing in say, in the languages of the customers' pages: they answer somebody who sits before one."""

from collections.abc import Mapping
from enum import StrEnum

from loyalty.messages.wording import Words


class SignIn(StrEnum):
    """The mails about signing in; no outbox keeps them, as their code or link is a key."""

    CODE = "sign_in_code"
    ADDRESS = "confirm_address"
    PASSWORD = "new_password"  # noqa: S105 (a name)
    NOBODY = "nobody_signs_in"


WORDS: Mapping[str, Mapping[str, Words]] = {
    "en": {
        SignIn.CODE: Words(
            subject="Your sign-in code for {programme}", heading="Your code to sign in",
            lines=(
                "{code}",
                "It works for a few minutes, in the browser that asked for it.",
                ("You did not ask? Then do nothing: without the code nobody gets in. Never tell it to anybody, not even "
                 "to us."),
            ),
        ),
        SignIn.ADDRESS: Words(
            subject="Confirm your address for {programme}", heading="Is this address yours?",
            lines=("This code confirms it:", "{code}", "You did not ask for it? Then do nothing."),
        ),
        SignIn.PASSWORD: Words(
            subject="A new password for {programme}", heading="Set a new password",
            lines=(
                "With this link you set it:",
                "{link}",
                "You did not ask for it? Then do nothing: your password stays as it is.",
            ),
        ),
        SignIn.NOBODY: Words(
            subject="Signing in to {programme}", heading="Nobody signs in with this address",
            lines=(
                ("Somebody tried to sign in with the address {email}, but nobody signs in with it, or signing in is "
                 "switched off."),
                "Was it you? Then write to us. Otherwise do nothing.",
            ),
        ),
    },
    "de": {
        SignIn.CODE: Words(
            subject="Dein Anmeldecode für {programme}", heading="Dein Code zum Anmelden",
            lines=(
                "{code}",
                "Er gilt einige Minuten, in dem Browser, der ihn angefordert hat.",
                ("Du hast nicht darum gebeten? Dann tu nichts: Ohne den Code kommt niemand hinein. Gib ihn nie weiter, "
                 "auch nicht an uns."),
            ),
        ),
        SignIn.ADDRESS: Words(
            subject="Bestätige deine Adresse für {programme}", heading="Ist das deine Adresse?",
            lines=("Dieser Code bestätigt es:", "{code}", "Du hast nicht darum gebeten? Dann tu nichts."),
        ),
        SignIn.PASSWORD: Words(
            subject="Ein neues Passwort für {programme}", heading="Neues Passwort festlegen",
            lines=(
                "Mit diesem Link legst du es fest:",
                "{link}",
                "Du hast nicht darum gebeten? Dann tu nichts: Dein Passwort bleibt, wie es ist.",
            ),
        ),
        SignIn.NOBODY: Words(
            subject="Anmeldung bei {programme}", heading="Mit dieser Adresse meldet sich niemand an",
            lines=(
                ("Jemand wollte sich mit der Adresse {email} anmelden, aber mit ihr meldet sich niemand an, oder die "
                 "Anmeldung ist abgeschaltet."),
                "Warst du das? Dann schreib uns. Sonst tu nichts.",
            ),
        ),
    },
}  # fmt: skip

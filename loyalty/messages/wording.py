"""What the mails say, a table for each language. Names in braces are filled in; nothing else is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from loyalty.merchant.models import MailKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words of one kind of mail."""

    subject: str
    heading: str
    lines: tuple[str, ...]
    button: str = ""


LANGUAGES = ("en", "de", "pl", "ja")
Parts = Mapping[str, str]  # the short texts that several kinds share, by name
NAME = re.compile(r"\{(\w+)\}")

# Parts that several kinds share.
PARTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "hello": "Hello {first_name},", "hello_nobody": "Hello,", "code": "Your code", "until": "Valid until",
        "from": "Valid from", "cost": "Paid with", "reward": "Reward", "customer": "Customer", "carrier": "Carrier",
        "number": "Tracking number", "how": "How to use it", "terms": "Terms", "left": "Codes left",
        "number_of": "Number", "questions": "Questions? Write to {address}.",
        "ordered": "It is ordered already: check its address on its page, and ship it.",
        "list": "Packing list", "because": "You get this e-mail because you take part in {programme}.",
        "office": "You get this e-mail because your address stands in the settings of {programme}.",
        "unsubscribe": "Stop e-mails like this one", "why": "Why", "point": "point", "points": "points",
    },
    "de": {
        "hello": "Hallo {first_name},", "hello_nobody": "Hallo,", "code": "Dein Code", "until": "Gültig bis",
        "from": "Gültig ab", "cost": "Bezahlt mit", "reward": "Prämie", "customer": "Kundin oder Kunde",
        "carrier": "Versand durch", "number": "Sendungsnummer", "how": "So löst du sie ein", "terms": "Bedingungen",
        "left": "Codes übrig", "number_of": "Nummer",
        "ordered": "Es ist schon bestellt: bitte die Adresse prüfen und das Geschenk verschicken.",
        "questions": "Fragen? Schreib an {address}.", "list": "Packliste",
        "because": "Du bekommst diese E-Mail, weil du bei {programme} mitmachst.",
        "office": "Du bekommst diese E-Mail, weil deine Adresse in den Einstellungen von {programme} steht.",
        "unsubscribe": "Keine E-Mails dieser Art mehr", "why": "Grund", "point": "Punkt", "points": "Punkte",
    },
    "pl": {
        "hello": "Cześć {first_name},", "hello_nobody": "Cześć,", "code": "Twój kod", "until": "Ważne do",
        "from": "Ważne od", "cost": "Zapłacono", "reward": "Nagroda", "customer": "Klient", "carrier": "Przewoźnik",
        "number": "Numer przesyłki", "how": "Jak użyć", "terms": "Warunki", "left": "Pozostało kodów",
        "number_of": "Numer",
        "ordered": "Jest już zamówiony: sprawdź adres i wyślij go.",
        "questions": "Masz pytania? Napisz: {address}.", "list": "Lista do pakowania",
        "because": "Otrzymujesz tę wiadomość, bo uczestniczysz w programie {programme}.",
        "office": "Otrzymujesz tę wiadomość, bo ten adres jest w ustawieniach programu {programme}.",
        "unsubscribe": "Nie chcę takich wiadomości", "why": "Powód", "point": "pkt", "points": "pkt",
    },
    "ja": {
        "hello": "{first_name} 様", "hello_nobody": "お客様", "code": "コード", "until": "有効期限", "from": "有効開始日",
        "cost": "お支払い", "reward": "特典", "customer": "お客様", "carrier": "配送会社", "number": "追跡番号",
        "how": "ご利用方法", "terms": "ご利用条件", "left": "残りのコード数", "number_of": "番号",
        "questions": "ご質問は {address} までお寄せください。",
        "ordered": "すでに発送待ちです。お届け先を確認し、発送してください。",
        "list": "梱包リスト", "because": "このメールは {programme} にご参加の方にお送りしています。",
        "office": "このメールは {programme} の設定に登録されたアドレスにお送りしています。",
        "unsubscribe": "この種類のメールを停止する", "why": "理由", "point": "ポイント", "points": "ポイント",
    },
}  # fmt: skip

WORDS: Mapping[str, Mapping[str, Words]] = {
    "en": {
        MailKind.REDEEMED: Words(
            subject="You redeemed: {reward}", heading="{reward} is yours",
            lines=("Thank you for redeeming your points.",), button="Open your reward",
        ),
        MailKind.READY: Words(
            subject="A reward for you: {reward}", heading="A reward for you: {reward}",
            lines=("We have given you a reward. It is ready for you, and it cost you no points.",),
            button="Open your reward",
        ),
        MailKind.EXPIRING: Words(
            subject="Use it until {last_day}: {reward}", heading="{reward} ends soon",
            lines=("You can use your reward until the end of {last_day}. After that day it is gone.",),
            button="Open your reward",
        ),
        MailKind.SHIPPED: Words(
            subject="On its way: {reward}", heading="{reward} is on its way",
            lines=("We have sent your gift.",), button="Follow your parcel",
        ),
        MailKind.POINTS_EXPIRING: Words(
            subject="{points} end on {last_day}", heading="{points} end soon", button="Choose a reward",
            lines=("You can spend {points} until the end of {last_day}. After that day they are gone.",),
        ),
        MailKind.POINTS_ADJUSTED: Words(
            subject="Your balance changed: {change}", heading="Your balance changed: {change}",
            lines=("We have changed your balance. You have {balance} now.",), button="See your points",
        ),
        MailKind.GIFT_REDEEMED: Words(
            subject="Gift to send: {reward} ({number})", heading="A gift was redeemed: {reward}",
            lines=("Check its address on its page, mark it used to order it, and ship it.",), button="Open it in the desk",
        ),
        MailKind.CODES_LOW: Words(
            subject="Few codes left: {reward}", heading="Few codes left: {reward}",
            lines=(
                ("The pool of this reward holds {left} codes that can be handed out now. Once it is empty nobody can "
                 "redeem the reward: import codes, or have some made ahead."),
            ),
            button="Open the pool",
        ),
        MailKind.TEST: Words(
            subject="Test from {programme}", heading="This is a test",
            lines=("It has arrived: the desk can send e-mails, and this is how they look.",), button="Open the outbox",
        ),
    },
    "de": {
        MailKind.REDEEMED: Words(
            subject="Du hast eingelöst: {reward}", heading="{reward} gehört dir",
            lines=("Danke, dass du deine Punkte eingelöst hast.",), button="Prämie ansehen",
        ),
        MailKind.READY: Words(
            subject="Eine Prämie für dich: {reward}", heading="Eine Prämie für dich: {reward}",
            lines=("Wir haben dir eine Prämie geschenkt. Sie liegt bereit und kostet dich keine Punkte.",),
            button="Prämie ansehen",
        ),
        MailKind.EXPIRING: Words(
            subject="Nur noch bis {last_day}: {reward}", heading="{reward} läuft bald ab",
            lines=("Du kannst deine Prämie bis zum Ende des {last_day} verwenden. Danach verfällt sie.",),
            button="Prämie ansehen",
        ),
        MailKind.SHIPPED: Words(
            subject="Unterwegs: {reward}", heading="{reward} ist unterwegs",
            lines=("Wir haben dein Geschenk abgeschickt.",), button="Sendung verfolgen",
        ),
        MailKind.POINTS_EXPIRING: Words(
            subject="{points} verfallen am {last_day}", heading="{points} verfallen bald", button="Prämie aussuchen",
            lines=("Du kannst {points} bis zum Ende des {last_day} einlösen. Danach verfallen sie.",),
        ),
        MailKind.POINTS_ADJUSTED: Words(
            subject="Dein Punktestand hat sich geändert: {change}", heading="Dein Punktestand: {change}",
            lines=("Wir haben deinen Punktestand geändert. Du hast jetzt {balance}.",), button="Punkte ansehen",
        ),
        MailKind.GIFT_REDEEMED: Words(
            subject="Geschenk zu versenden: {reward} ({number})", heading="Ein Geschenk wurde eingelöst: {reward}",
            lines=("Bitte die Adresse prüfen, das Geschenk als verwendet markieren und verschicken.",),
            button="Im Desk öffnen",
        ),
        MailKind.CODES_LOW: Words(
            subject="Wenige Codes übrig: {reward}", heading="Wenige Codes übrig: {reward}",
            lines=(
                ("Im Vorrat dieser Prämie liegen noch {left} Codes, die jetzt ausgegeben werden können. Ist er leer, kann "
                 "niemand die Prämie einlösen: bitte Codes einspielen oder vorab erzeugen."),
            ),
            button="Vorrat öffnen",
        ),
        MailKind.TEST: Words(
            subject="Test von {programme}", heading="Das ist ein Test",
            lines=("Er ist angekommen: E-Mails können verschickt werden, und so sehen sie aus.",),
            button="Ausgang öffnen",
        ),
    },
    "pl": {
        MailKind.REDEEMED: Words(
            subject="Odebrano nagrodę: {reward}", heading="{reward} – to Twoja nagroda",
            lines=("Dziękujemy za wymianę punktów.",), button="Zobacz nagrodę",
        ),
        MailKind.READY: Words(
            subject="Nagroda dla Ciebie: {reward}", heading="Nagroda dla Ciebie: {reward}",
            lines=("Mamy dla Ciebie nagrodę. Jest gotowa i nie kosztuje żadnych punktów.",), button="Zobacz nagrodę",
        ),
        MailKind.EXPIRING: Words(
            subject="Tylko do {last_day}: {reward}", heading="{reward} – wkrótce koniec ważności",
            lines=("Nagrody można użyć do końca dnia {last_day}. Potem przepadnie.",), button="Zobacz nagrodę",
        ),
        MailKind.SHIPPED: Words(
            subject="W drodze: {reward}", heading="{reward} – przesyłka w drodze",
            lines=("Twój prezent został wysłany.",), button="Śledź przesyłkę",
        ),
        MailKind.POINTS_EXPIRING: Words(
            subject="{points}: ważne do {last_day}", heading="{points}: wkrótce przepadną", button="Wybierz nagrodę",
            lines=("Do końca dnia {last_day} możesz wykorzystać {points}. Potem przepadną.",),
        ),
        MailKind.POINTS_ADJUSTED: Words(
            subject="Zmiana salda: {change}", heading="Zmiana salda: {change}",
            lines=("Twoje saldo zostało zmienione. Masz teraz {balance}.",), button="Zobacz punkty",
        ),
        MailKind.GIFT_REDEEMED: Words(
            subject="Prezent do wysłania: {reward} ({number})", heading="Odebrano prezent: {reward}",
            lines=("Sprawdź adres, oznacz prezent jako użyty i wyślij go.",), button="Otwórz w panelu",
        ),
        MailKind.CODES_LOW: Words(
            subject="Zostało mało kodów: {reward}", heading="Zostało mało kodów: {reward}",
            lines=(
                ("Kodów, które można teraz wydać, jest w puli tej nagrody {left}. Gdy się skończą, nikt nie odbierze "
                 "nagrody: zaimportuj kody lub utwórz je z wyprzedzeniem."),
            ),
            button="Otwórz pulę",
        ),
        MailKind.TEST: Words(
            subject="Test: {programme}", heading="To jest test",
            lines=("Wiadomość dotarła: wysyłanie działa, a tak wyglądają nasze wiadomości.",),
            button="Otwórz skrzynkę nadawczą",
        ),
    },
    "ja": {
        MailKind.REDEEMED: Words(
            subject="特典を交換しました：{reward}", heading="{reward}",
            lines=("ポイントを特典に交換いただき、ありがとうございます。",), button="特典を見る",
        ),
        MailKind.READY: Words(
            subject="特典をお届けします：{reward}", heading="特典をお届けします：{reward}",
            lines=("特典をご用意しました。ポイントは不要です。",), button="特典を見る",
        ),
        MailKind.EXPIRING: Words(
            subject="{last_day}まで：{reward}", heading="{reward}の有効期限が近づいています",
            lines=("この特典は{last_day}までご利用いただけます。その後は無効になります。",), button="特典を見る",
        ),
        MailKind.SHIPPED: Words(
            subject="発送しました：{reward}", heading="{reward}を発送しました",
            lines=("ギフトを発送いたしました。",), button="荷物を追跡する",
        ),
        MailKind.POINTS_EXPIRING: Words(
            subject="{points}の有効期限：{last_day}", heading="{points}の有効期限が近づいています", button="特典を選ぶ",
            lines=("{points}は{last_day}までご利用いただけます。その後は失効します。",),
        ),
        MailKind.POINTS_ADJUSTED: Words(
            subject="ポイント残高の変更：{change}", heading="ポイント残高の変更：{change}",
            lines=("ポイント残高を変更しました。現在の残高は{balance}です。",), button="ポイントを見る",
        ),
        MailKind.GIFT_REDEEMED: Words(
            subject="発送が必要なギフト：{reward}（{number}）", heading="ギフトが交換されました：{reward}",
            lines=("お届け先を確認し、使用済みにして発送してください。",), button="管理画面で開く",
        ),
        MailKind.CODES_LOW: Words(
            subject="コードが残りわずかです：{reward}", heading="コードが残りわずかです：{reward}",
            lines=("この特典で今お渡しできるコードは残り{left}件です。なくなると交換できません。コードを追加してください。",),
            button="コード一覧を開く",
        ),
        MailKind.TEST: Words(
            subject="{programme} からのテスト", heading="テストメールです",
            lines=("メールの送信は正常です。実際のメールはこのように表示されます。",), button="送信箱を開く",
        ),
    },
}  # fmt: skip


def spoken(*wishes: str) -> str:
    """The first of these languages that the mails speak; English when they speak none."""
    bases = (wish.split("-")[0].lower() for wish in wishes)
    return next((base for base in bases if base in LANGUAGES), "en")


def number(amount: int, language: str) -> str:
    """1250 → "1,250", "1.250", "1 250" (with a space that does not break)."""
    return f"{amount:,}".replace(",", {"de": ".", "pl": "\u00a0"}.get(language, ","))


def filled(text: str, names: Mapping[str, str]) -> str:
    """The text with these names in the place of their braces. What is filled in is never read again."""
    return NAME.sub(lambda found: names.get(found[1], found[0]), text)

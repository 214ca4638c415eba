"""What mails about trouble say to staff: a table for each language and event, in words that staff may make their own."""

from collections.abc import Mapping

from loyalty.messages.wording import Words

# What staff are alerted of: language → event → what it means.
ALERTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "subject": "Please look at: {reward} ({number})",
        "button": "Open it in the desk",
        "reward.code_alive_after_cancel": "It was canceled, and its code still works in the shop.",
        "reward.used_after_cancel": "It was canceled, and its code was used in the shop all the same.",
        "reward.used_while_cancelling": "Its code was used while it was being canceled: it ended as used, and no points went back.",
        "reward.used_twice": "Its code was used on a second order.",
        "payout.in_review": "Nobody can say by itself whether its money was paid: please look, and mark it paid or refused.",
        "payout.contradicted": "Its money was settled, and now the payout provider says otherwise.",
        "payout.foreign": "The payout provider has another amount under our reference.",
    },
    "de": {
        "subject": "Bitte ansehen: {reward} ({number})",
        "button": "Im Desk öffnen",
        "reward.code_alive_after_cancel": "Die Prämie wurde storniert, aber ihr Code funktioniert im Shop noch.",
        "reward.used_after_cancel": "Die Prämie wurde storniert, aber ihr Code wurde im Shop trotzdem verwendet.",
        "reward.used_while_cancelling": "Ihr Code wurde während der Stornierung verwendet: Sie gilt als verwendet, und es gab keine Punkte zurück.",
        "reward.used_twice": "Der Code dieser Prämie wurde bei einer zweiten Bestellung verwendet.",
        "payout.in_review": "Ob ausgezahlt wurde, lässt sich nicht selbst feststellen: bitte nachsehen und als bezahlt oder abgelehnt markieren.",
        "payout.contradicted": "Die Auszahlung war abgeschlossen, und nun meldet der Zahlungsanbieter etwas anderes.",
        "payout.foreign": "Der Zahlungsanbieter führt unter unserer Referenz einen anderen Betrag.",
    },
    "pl": {
        "subject": "Do sprawdzenia: {reward} ({number})",
        "button": "Otwórz w panelu",
        "reward.code_alive_after_cancel": "Nagroda została anulowana, ale jej kod nadal działa w sklepie.",
        "reward.used_after_cancel": "Nagroda została anulowana, a jej kod mimo to użyto w sklepie.",
        "reward.used_while_cancelling": "Kodu użyto w trakcie anulowania: nagroda jest wykorzystana, a punkty nie wróciły.",
        "reward.used_twice": "Kodu tej nagrody użyto przy drugim zamówieniu.",
        "payout.in_review": "Nie wiadomo, czy wypłata doszła: proszę sprawdzić i oznaczyć ją jako wypłaconą lub odrzuconą.",
        "payout.contradicted": "Wypłata była rozliczona, a teraz operator podaje co innego.",
        "payout.foreign": "Operator ma pod naszym numerem inną kwotę.",
    },
    "ja": {
        "subject": "ご確認ください：{reward}（{number}）",
        "button": "管理画面で開く",
        "reward.code_alive_after_cancel": "取り消した特典のコードが、ショップでまだ使える状態です。",
        "reward.used_after_cancel": "取り消した特典のコードが、ショップで使用されました。",
        "reward.used_while_cancelling": "取り消しの処理中にコードが使用されました。特典は使用済みとなり、ポイントは戻っていません。",
        "reward.used_twice": "この特典のコードが、2件目の注文で使用されました。",
        "payout.in_review": "支払われたかどうかを自動で確認できません。ご確認のうえ、支払済みまたは拒否として記録してください。",
        "payout.contradicted": "支払いは完了していましたが、決済事業者から異なる通知がありました。",
        "payout.foreign": "決済事業者では、当方の参照番号に別の金額が登録されています。",
    },
}

# Of an integrator’s address for webhooks.
ENDPOINT_ALERTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "subject": "Please look at: {endpoint} ({number})",
        "button": "Open it in the desk",
        "webhook_endpoint.paused": "It took no messages, or wants no more. What happens waits until it is switched on.",
    },
    "de": {
        "subject": "Bitte ansehen: {endpoint} ({number})",
        "button": "Im Desk öffnen",
        "webhook_endpoint.paused": "Der Empfänger nimmt keine Nachrichten an. Sie warten, bis er wieder eingeschaltet wird.",
    },
    "pl": {
        "subject": "Do sprawdzenia: {endpoint} ({number})",
        "button": "Otwórz w panelu",
        "webhook_endpoint.paused": "Odbiorca nie przyjmuje wiadomości. Czekają, aż zostanie ponownie włączony.",
    },
    "ja": {
        "subject": "ご確認ください：{endpoint}（{number}）",
        "button": "管理画面で開く",
        "webhook_endpoint.paused": "送信先がメッセージを受け取りません。再び有効にするまで保留されます。",
    },
}

# Of a payout account.
ACCOUNT_ALERTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "subject": "Please look at: {account} ({number})",
        "button": "Open it in the desk",
        "payout_account.unreachable": "The payout account does not answer. What is to be paid waits, and it is asked again by itself.",
        "payout_account.answers_again": "The payout account answers again. What waited is being paid.",
        "payout_account.credentials_refused": "The payout account refuses our credentials. Enter them again under Payout accounts.",
    },
    "de": {
        "subject": "Bitte ansehen: {account} ({number})",
        "button": "Im Desk öffnen",
        "payout_account.unreachable": "Das Auszahlungskonto antwortet nicht. Auszahlungen warten, und es wird von selbst wieder gefragt.",
        "payout_account.answers_again": "Das Auszahlungskonto antwortet wieder. Was wartete, wird jetzt ausgezahlt.",
        "payout_account.credentials_refused": "Das Auszahlungskonto lehnt unsere Zugangsdaten ab. Bitte unter Auszahlungskonten neu eingeben.",
    },
    "pl": {
        "subject": "Do sprawdzenia: {account} ({number})",
        "button": "Otwórz w panelu",
        "payout_account.unreachable": "Konto wypłat nie odpowiada. Wypłaty czekają, a zapytania są ponawiane automatycznie.",
        "payout_account.answers_again": "Konto wypłat znów odpowiada. Oczekujące wypłaty są teraz realizowane.",
        "payout_account.credentials_refused": "Konto wypłat odrzuca nasze dane dostępowe. Wprowadź je ponownie w sekcji kont wypłat.",
    },
    "ja": {
        "subject": "ご確認ください：{account}（{number}）",
        "button": "管理画面で開く",
        "payout_account.unreachable": "支払い口座が応答しません。自動で再試行し、支払いはその間保留されます。",
        "payout_account.answers_again": "支払い口座の応答が戻りました。保留中の支払いを処理しています。",
        "payout_account.credentials_refused": "支払い口座が認証情報を拒否しています。支払い口座の設定で入力し直してください。",
    },
}

# The same of a shop: {since} is a time in the programme's zone.
SHOP_ALERTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "subject": "Please look at the shop {shop}",
        "button": "Open it in the desk",
        "shop.unreachable": "The shop has not answered since {since}. It is asked again by itself; rewards wait meanwhile.",
        "shop.answers_again": "The shop answers again. It had been silent since {since}; what waited is being made.",
        "shop.credentials_refused": "The shop has refused our credentials since {since}. Enter them again under Shops.",
        "shop.rewards_waiting": "A reward has waited for the shop for {minutes} minutes, since {since}.",
        "shop.rewards_failing": "{failed} of {decided} rewards of the shop failed in the last hour.",
    },
    "de": {
        "subject": "Bitte den Shop ansehen: {shop}",
        "button": "Im Desk öffnen",
        "shop.unreachable": "Der Shop antwortet seit {since} nicht. Er wird von selbst wieder gefragt; Prämien warten so lange.",
        "shop.answers_again": "Der Shop antwortet wieder. Er schwieg seit {since}; was wartete, wird jetzt erstellt.",
        "shop.credentials_refused": "Der Shop lehnt unsere Zugangsdaten seit {since} ab. Bitte unter Shops neu eingeben.",
        "shop.rewards_waiting": "Eine Prämie wartet seit {minutes} Minuten auf den Shop, seit {since}.",
        "shop.rewards_failing": "{failed} von {decided} Prämien des Shops sind in der letzten Stunde gescheitert.",
    },
    "pl": {
        "subject": "Sprawdź sklep: {shop}",
        "button": "Otwórz w panelu",
        "shop.unreachable": "Sklep nie odpowiada od {since}. Ponawiamy pytania automatycznie, a nagrody czekają.",
        "shop.answers_again": "Sklep znów odpowiada. Milczał od {since}; oczekujące nagrody są teraz tworzone.",
        "shop.credentials_refused": "Sklep odrzuca nasze dane dostępowe od {since}. Wprowadź je ponownie w sekcji sklepów.",
        "shop.rewards_waiting": "Nagroda czeka na sklep od {minutes} min (od {since}).",
        "shop.rewards_failing": "W ostatniej godzinie nie udało się utworzyć nagród: {failed} z {decided}.",
    },
    "ja": {
        "subject": "ショップをご確認ください：{shop}",
        "button": "管理画面で開く",
        "shop.unreachable": "{since}からショップの応答がありません。自動で再試行し、特典はその間お待ちいただきます。",
        "shop.answers_again": "ショップの応答が戻りました（{since}から停止）。待機中の特典を作成しています。",
        "shop.credentials_refused": "{since}からショップが認証情報を拒否しています。ショップの設定で入力し直してください。",
        "shop.rewards_waiting": "特典が{minutes}分間ショップの処理を待っています（{since}から）。",
        "shop.rewards_failing": "直近1時間で、このショップの特典{decided}件中{failed}件が失敗しました。",
    },
}

# Of what somebody asked about their data: {day} is the last one for an answer.
PRIVACY_ALERTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "subject": "A privacy request is to be done until {day}",
        "heading": "A privacy request waits",
        "button": "See what is open",
        "privacy.due_soon": "Somebody asked about their data, and nobody has done it yet. The last day is {day}.",
    },
    "de": {
        "subject": "Eine Datenschutzanfrage ist bis {day} zu erledigen",
        "heading": "Eine Datenschutzanfrage wartet",
        "button": "Offene Anfragen ansehen",
        "privacy.due_soon": "Jemand hat nach seinen Daten gefragt, und es ist noch nicht erledigt. Der letzte Tag ist {day}.",
    },
    "pl": {
        "subject": "Wniosek dotyczący danych osobowych: termin {day}",
        "heading": "Wniosek dotyczący danych czeka",
        "button": "Zobacz otwarte wnioski",
        "privacy.due_soon": "Wpłynął wniosek dotyczący danych osobowych i nikt go jeszcze nie załatwił. Ostatni dzień: {day}.",
    },
    "ja": {
        "subject": "個人データに関するご請求の期限：{day}",
        "heading": "個人データに関するご請求があります",
        "button": "未対応のご請求を見る",
        "privacy.due_soon": "個人データに関するご請求が未対応です。期限は{day}です。",
    },
}

_TABLES = (
    (ALERTS, "{reward}"), (ENDPOINT_ALERTS, "{endpoint}"), (ACCOUNT_ALERTS, "{account}"), (SHOP_ALERTS, "{shop}"),
    (PRIVACY_ALERTS, ""),
)  # fmt: skip
_FRAME = ("subject", "heading", "button")


def _made() -> dict[str, dict[str, Words]]:
    """Language → event → the words of its mail."""
    made: dict[str, dict[str, Words]] = {}
    for table, heading in _TABLES:
        for language, said in table.items():
            for event, meaning in said.items():
                if event not in _FRAME:
                    made.setdefault(language, {})[event] = Words(
                        subject=said["subject"],
                        heading=said.get("heading", heading),
                        lines=(meaning,),
                        button=said["button"],
                    )
    return made


WORDS: Mapping[str, Mapping[str, Words]] = _made()

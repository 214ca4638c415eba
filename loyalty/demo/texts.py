"""What customers read about the demo's rewards, in English, German, Polish and Japanese."""

from rewards.models import RewardType

# Reward → language → name, short description.
NAMES: dict[str, dict[str, tuple[str, str]]] = {
    "ten": {
        "en": ("10% off your next order", "A tenth less on everything in the shop."),
        "de": ("10 % auf die nächste Bestellung", "Ein Zehntel weniger auf alles im Laden."),
        "pl": ("10% zniżki na następne zamówienie", "O jedną dziesiątą mniej za wszystko w sklepie."),
        "ja": ("次回のご注文が10%オフ", "店内の全商品が対象です。"),
    },
    "fifteen": {
        "en": ("15% off all plants", "For orders from $40."),
        "de": ("15 % auf alle Pflanzen", "Für Bestellungen ab 40 $."),
        "pl": ("15% zniżki na wszystkie rośliny", "Dla zamówień od 40 $."),
        "ja": ("植物すべて15%オフ", "40ドル以上のご注文でご利用いただけます。"),
    },
    "quarter": {
        "en": ("25% off a big order", "Once per customer, for orders from $100."),
        "de": ("25 % auf eine große Bestellung", "Einmal pro Person, ab 100 $."),
        "pl": ("25% zniżki na duże zamówienie", "Raz na klienta, od 100 $."),
        "ja": ("大きなご注文が25%オフ", "100ドル以上、お一人様1回限り。"),
    },
    "launch": {
        "en": ("30% off, this week only", "For the opening of our new shop."),
        "de": ("30 %, nur diese Woche", "Zur Eröffnung unseres neuen Ladens."),
        "pl": ("30% zniżki, tylko w tym tygodniu", "Z okazji otwarcia nowego sklepu."),
        "ja": ("今週限り30%オフ", "新店舗オープン記念です。"),
    },
    "five": {
        "en": ("$5 off", "On any order."),
        "de": ("5 $ Rabatt", "Auf jede Bestellung."),
        "pl": ("5 $ zniżki", "Na dowolne zamówienie."),
        "ja": ("5ドル割引", "すべてのご注文に使えます。"),
    },
    "fifteen_off": {
        "en": ("$15 off", "On orders from $60."),
        "de": ("15 $ Rabatt", "Ab einem Bestellwert von 60 $."),
        "pl": ("15 $ zniżki", "Na zamówienia od 60 $."),
        "ja": ("15ドル割引", "60ドル以上のご注文に。"),
    },
    "fifty_off": {
        "en": ("$50 off", "On orders from $150: a new bed for the garden."),
        "de": ("50 $ Rabatt", "Ab 150 $: ein neues Beet für den Garten."),
        "pl": ("50 $ zniżki", "Na zamówienia od 150 $: nowa rabata w ogrodzie."),
        "ja": ("50ドル割引", "150ドル以上のご注文に。お庭に新しい花壇を。"),
    },
    "welcome_back": {
        "en": ("$20 to welcome you back", "For customers we have not seen for a while."),
        "de": ("20 $ zur Rückkehr", "Für alle, die lange nicht da waren."),
        "pl": ("20 $ na powrót", "Dla tych, których dawno nie było."),
        "ja": ("おかえりなさい20ドル割引", "しばらくぶりのお客様へ。"),
    },
    "delivery": {
        "en": ("Free delivery", "We pay the postage of your next order."),
        "de": ("Kostenloser Versand", "Wir zahlen das Porto der nächsten Bestellung."),
        "pl": ("Darmowa dostawa", "Zapłacimy za wysyłkę następnego zamówienia."),
        "ja": ("送料無料", "次回のご注文の送料を当店が負担します。"),
    },
    "express": {
        "en": ("Free express delivery", "At your door within a day, on orders from $30."),
        "de": ("Kostenloser Expressversand", "In einem Tag bei dir, ab 30 $."),
        "pl": ("Darmowa dostawa ekspresowa", "W jeden dzień, od 30 $."),
        "ja": ("速達送料無料", "30ドル以上のご注文を翌日お届け。"),
    },
    "big_plants": {
        "en": ("Free delivery of big plants", "Trees and palms by van, to the door."),
        "de": ("Große Pflanzen frei Haus", "Bäume und Palmen mit dem Lieferwagen bis zur Tür."),
        "pl": ("Darmowa dostawa dużych roślin", "Drzewa i palmy pod same drzwi."),
        "ja": ("大型植物の送料無料", "木やヤシを玄関までお届けします。"),
    },
    "seeds": {
        "en": ("A packet of wildflower seeds", "Poppies, cornflowers and daisies for two square metres."),
        "de": ("Ein Tütchen Wildblumensamen", "Mohn, Kornblumen und Margeriten für zwei Quadratmeter."),
        "pl": ("Torebka nasion polnych kwiatów", "Maki, chabry i margerytki na dwa metry kwadratowe."),
        "ja": ("野の花の種", "ポピー、矢車菊、マーガレット。2平方メートル分。"),
    },
    "mug": {
        "en": ("The Fern & Field enamel mug", "Dark green, holds 350 ml, survives the garden."),
        "de": ("Die Emailletasse von Fern & Field", "Dunkelgrün, 350 ml, gartenfest."),
        "pl": ("Emaliowany kubek Fern & Field", "Ciemnozielony, 350 ml, przetrwa w ogrodzie."),
        "ja": ("Fern & Field ホーローマグ", "深い緑、350ml、お庭でも安心。"),
    },
    "tote": {
        "en": ("Cotton tote bag", "For books, bread and bulbs."),
        "de": ("Baumwolltasche", "Für Bücher, Brot und Blumenzwiebeln."),
        "pl": ("Bawełniana torba", "Na książki, chleb i cebulki."),
        "ja": ("コットントートバッグ", "本にも、パンにも、球根にも。"),
    },
    "can": {
        "en": ("Zinc watering can, 5 litres", "There are forty of them."),
        "de": ("Zinkgießkanne, 5 Liter", "Es gibt vierzig davon."),
        "pl": ("Cynkowa konewka, 5 litrów", "Mamy ich czterdzieści."),
        "ja": ("ブリキのじょうろ 5リットル", "40個限定です。"),
    },
    "trowels": {
        "en": ("Copper hand trowel set", "Two trowels and a fork, made by hand in Austria."),
        "de": ("Kupfer-Handkellen im Set", "Zwei Kellen und eine Gabel, in Österreich von Hand gemacht."),
        "pl": ("Zestaw miedzianych łopatek", "Dwie łopatki i widełki, ręczna robota z Austrii."),
        "ja": ("銅製ハンドスコップセット", "スコップ2本とフォーク1本、オーストリアの手作り。"),
    },
    "bench": {
        "en": (
            "The cast-iron and oak garden bench for two, three or one very good book",
            "The grandest thing we make. Delivered and set up in your garden.",
        ),
        "de": (
            "Die Gartenbank aus Gusseisen und Eiche für zwei, für drei oder für ein sehr gutes Buch",
            "Das Schönste, was wir bauen. Geliefert und im Garten aufgestellt.",
        ),
        "pl": (
            "Ławka ogrodowa z żeliwa i dębu dla dwojga, trojga albo dla jednej bardzo dobrej książki",
            "Najpiękniejsza rzecz, jaką robimy. Dostarczymy ją i ustawimy w ogrodzie.",
        ),
        "ja": (
            "鋳鉄とオークのガーデンベンチ。ふたりで、三人で、または一冊の名著とともに",
            "当店最高の逸品。お庭に設置いたします。",
        ),
    },
    "fern": {
        "en": ("A free Boston fern", "Potted and watered. Put it into your basket and type the code."),
        "de": ("Ein Schwertfarn gratis", "Getopft und gegossen. Leg ihn in den Korb und gib den Code ein."),
        "pl": ("Paproć gratis", "W doniczce. Włóż ją do koszyka i wpisz kod."),
        "ja": ("ボストンファーン無料", "鉢植えをカゴに入れ、コードを入力してください。"),
    },
    "till": {
        "en": ("$20 for the garden shop", "To spend in our shop by the river, all at once or bit by bit."),
        "de": ("20 $ für den Gartenladen", "Für unseren Laden am Fluss, auf einmal oder nach und nach."),
        "pl": ("20 $ do sklepu ogrodowego", "Do wydania w sklepie nad rzeką, od razu albo po trochu."),
        "ja": ("ガーデンショップ20ドル分", "川沿いの店舗で少しずつお使いいただけます。"),
    },
    "card": {
        "en": ("A $25 gift card", "For you, or for somebody who should have a garden."),
        "de": ("Geschenkkarte über 25 $", "Für dich oder für jemanden, dem ein Garten fehlt."),
        "pl": ("Karta podarunkowa 25 $", "Dla Ciebie albo dla kogoś bliskiego."),
        "ja": ("25ドルのギフトカード", "ご自分に、または大切な方へ。"),
    },
    "coupon": {
        "en": ("A pressed-flower card with 20% inside", "A card to keep, with a printed code for your next order."),
        "de": ("Karte mit Trockenblume und 20 %", "Zum Behalten, mit gedrucktem Code für die nächste Bestellung."),
        "pl": ("Kartka z suszonym kwiatem i 20%", "Na pamiątkę, z kodem na następne zamówienie."),
        "ja": ("押し花カード（20%オフ付き）", "次回使えるコードが印刷されています。"),
    },
    "evening": {
        "en": ("Invitation to the evening in the greenhouse", "Soup, music and a thousand orchids in May."),
        "de": ("Einladung zum Abend im Gewächshaus", "Suppe, Musik und tausend Orchideen im Mai."),
        "pl": ("Zaproszenie na wieczór w szklarni", "Zupa, muzyka i tysiąc storczyków w maju."),
        "ja": ("温室の夕べご招待", "5月、スープと音楽と千の蘭。"),
    },
    "any": {
        "en": ("As much off as you like", "You choose how many points; every hundred takes $4 off."),
        "de": ("So viel Rabatt, wie du willst", "Du wählst die Punkte; je hundert sparen 4 $."),
        "pl": ("Zniżka, jaką chcesz", "Ty wybierasz liczbę punktów; każde sto to 4 $ mniej."),
        "ja": ("お好きなだけ割引", "100ポイントごとに4ドル割引。"),
    },
    "cash": {
        "en": ("Money back for your points", "You choose how many points; every hundred is $4 in your account."),
        "de": ("Geld zurück für deine Punkte", "Du wählst die Punkte; je hundert sind 4 $ auf deinem Konto."),
        "pl": ("Pieniądze za punkty", "Ty wybierasz liczbę punktów; każde sto to 4 $ na Twoim koncie."),
        "ja": ("ポイントで現金還元", "100ポイントごとに4ドルをお振り込みします。"),
    },
    "nursery": {
        "en": ("The door to our nursery", "A page with plants that we sell to nobody else."),
        "de": ("Die Tür zu unserer Gärtnerei", "Eine Seite mit Pflanzen, die sonst niemand bekommt."),
        "pl": ("Drzwi do naszej szkółki", "Strona z roślinami, których nie sprzedajemy nikomu innemu."),
        "ja": ("苗床への扉", "ほかでは買えない植物のページです。"),
    },
}

# Kind → language → how to use it.
_CODE = {
    "en": "Type the code at the checkout. It works once.",
    "de": "Gib den Code an der Kasse ein. Er gilt einmal.",
    "pl": "Wpisz kod przy płatności. Działa jeden raz.",
    "ja": "お会計時にコードを入力してください。1回のみ有効です。",
}
_PARCEL = {
    "en": "Nothing to do: we send it to your address within a week.",
    "de": "Nichts zu tun: Wir schicken es in einer Woche an deine Adresse.",
    "pl": "Nie musisz nic robić: w ciągu tygodnia wyślemy go na Twój adres.",
    "ja": "お手続きは不要です。1週間以内にご住所へお送りします。",
}
_COUPON = {
    "en": "The card arrives by post. Type the code that is printed in it at the checkout; it works once.",
    "de": "Die Karte kommt mit der Post. Gib den eingedruckten Code an der Kasse ein; er gilt einmal.",
    "pl": "Kartka przyjdzie pocztą. Wpisz wydrukowany w niej kod przy płatności; działa jeden raz.",
    "ja": "カードは郵送でお届けします。印刷されたコードをお会計時に1回ご利用ください。",
}
_TILL = {
    "en": "Show the code at the till of our garden shop. Spend it bit by bit: the rest stays on it.",
    "de": "Zeig den Code an der Kasse unseres Gartenladens. Du kannst ihn nach und nach ausgeben.",
    "pl": "Pokaż kod w kasie naszego sklepu ogrodowego. Możesz wydawać go po trochu.",
    "ja": "ガーデンショップのレジでコードをお見せください。少しずつお使いいただけます。",
}
_CARD = {
    "en": "Type the code at the checkout, as often as you like, until nothing is left on it. You may give it away.",
    "de": "Gib den Code an der Kasse ein, so oft du willst, bis er leer ist. Du darfst ihn verschenken.",
    "pl": "Wpisuj kod przy płatności, aż wykorzystasz całą kwotę. Możesz go komuś podarować.",
    "ja": "残高がなくなるまで何度でもお会計時にご利用いただけます。贈り物にもどうぞ。",
}
_DOOR = {
    "en": "Show the QR code at the gate. It lets one person in.",
    "de": "Zeig den QR-Code am Tor. Er gilt für eine Person.",
    "pl": "Pokaż kod QR przy bramie. Wpuszcza jedną osobę.",
    "ja": "入口でQRコードをお見せください。1名様有効です。",
}
_PAGE = {
    "en": "Follow the link and type the code: the page opens for you.",
    "de": "Folge dem Link und gib den Code ein: Die Seite öffnet sich.",
    "pl": "Przejdź do strony i wpisz kod, a otworzy się dla Ciebie.",
    "ja": "リンク先でコードを入力すると、ページが開きます。",
}
_MONEY = {
    "en": "You need not do anything: the money is sent to the e-mail address you are known by.",
    "de": "Du musst nichts tun: Das Geld geht an deine E-Mail-Adresse.",
    "pl": "Nie musisz nic robić: pieniądze trafią na Twój adres e-mail.",
    "ja": "お手続きは不要です。ご登録のメールアドレス宛にお支払いします。",
}
USAGE: dict[str, dict[str, str]] = {
    RewardType.PERCENTAGE_DISCOUNT: _CODE,
    RewardType.DISCOUNT_CODE: _CODE,
    RewardType.FREE_DELIVERY: _CODE,
    RewardType.FREE_PRODUCT: _CODE,
    RewardType.VALUE_CODE: _TILL,
    RewardType.GIFT_CARD: _CARD,
    RewardType.EVENT_INVITATION: _DOOR,
    RewardType.CUSTOM: _PAGE,
    RewardType.CASHBACK: _MONEY,
    RewardType.GIFT: _PARCEL,
}


def usage(reward_type: str, *, carries_code: bool) -> dict[str, str]:
    """How to use it, by language."""
    return _COUPON if carries_code else USAGE[reward_type]


TERMS: dict[str, str] = {
    "en": "Not exchangeable for money and not together with other discounts. We may end this offer at any time; "
    "what you have redeemed before stays valid until its date.",
    "de": "Keine Auszahlung in Geld, nicht mit anderen Rabatten kombinierbar. Das Angebot kann jederzeit enden; "
    "bereits Eingelöstes gilt bis zu seinem Datum.",
    "pl": "Nie podlega wymianie na pieniądze i nie łączy się z innymi zniżkami. Ofertę możemy zakończyć w każdej "
    "chwili; to, co już odebrane, zachowuje ważność do swojej daty.",
    "ja": "換金および他の割引との併用はできません。本特典は予告なく終了する場合がありますが、"
    "交換済みのものは期限まで有効です。",
}

CASH_TERMS: dict[str, str] = {
    "en": "Paid within a few days. If the money cannot be sent, you get your points back.",
    "de": "Auszahlung innerhalb weniger Tage. Kann das Geld nicht gesendet werden, bekommst du die Punkte zurück.",
    "pl": "Wypłata w ciągu kilku dni. Jeśli pieniędzy nie da się wysłać, punkty wracają.",
    "ja": "数日以内にお支払いします。お支払いできない場合はポイントをお戻しします。",
}

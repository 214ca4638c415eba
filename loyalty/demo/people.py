"""Who shops at the demo merchant: names as they are in life, with everything that can be missing missing somewhere."""

from dataclasses import dataclass

from loyalty.customers.models import CustomerState
from loyalty.customers.profile import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    key: str  # under which the shop knows them
    first_name: str = ""
    last_name: str = ""
    email: str | None = None
    phone: str | None = None
    language: str = ""
    state: str = CustomerState.MEMBER
    address: Address | None = None


MAIN = "maja"  # the customer whose login the demo prints

# key | first name | surname | e-mail before @example.com | phone | language | street | postal code | city | country
ROWS = """
maja|Maja|Lindgren|maja.lindgren|+46 70 123 45 67|en|Kungsgatan 14|411 19|Göteborg|SE
anna|Anna|Kowalska|anna.kowalska|+48 501 234 567|pl|ul. Prosta 12/4|00-850|Warszawa|PL
piotr|Piotr|Zieliński|p.zielinski|+48 602 118 904|pl|ul. Długa 7|31-147|Kraków|PL
zofia|Zofia|Wójcik-Brzęczyszczykiewicz|zofia.wb|+48 511 700 321|pl|ul. Świętojańska 43|81-391|Gdynia|PL
stanislaw|Stanisław|Gżegżółka|gzegzolka||pl|ul. Piotrkowska 101|90-425|Łódź|PL
malgorzata|Małgorzata|Dąbrowska|m.dabrowska|+48 793 555 012|pl|ul. Ogrodowa 3|61-821|Poznań|PL
tomasz|Tomasz|Lewandowski|tlewandowski|+48 605 900 100|pl|al. Jana Pawła II 61/20|01-031|Warszawa|PL
kasia|Katarzyna|Kamińska|kasia.k||pl|ul. Kwiatowa 9|50-421|Wrocław|PL
jakub|Jakub|Szymański|jakub.szymanski|+48 509 110 220|pl||||
ewa|Ewa|Ćwiklińska|ewa.c|+48 698 330 441|pl|ul. Lipowa 22|20-020|Lublin|PL
michal|Michał|Pawłowski|michal.pawlowski||pl|ul. 3 Maja 8|40-096|Katowice|PL
agnieszka|Agnieszka|Król|a.krol|+48 660 700 800|pl||||
wojciech|Wojciech|Jabłoński||+48 504 404 404|pl|ul. Morska 77|81-225|Gdynia|PL
barbara|Barbara|Nowak|basia.nowak|+48 601 002 003|pl|ul. Leśna 1|16-001|Kleosin|PL
hannah|Hannah|Müller|hannah.mueller|+49 151 2345 6789|de|Lindenstraße 18|10969|Berlin|DE
lukas|Lukas|Schäfer|lukas.schaefer|+49 170 998 1122|de|Am Weißen Stein 5|60431|Frankfurt am Main|DE
friederike|Friederike|Freifrau von Württemberg-Hohenlohe-Langenburg|f.von.wuerttemberg|+49 711 555 010|de|Schloßallee 1|74595|Langenburg|DE
juergen|Jürgen|Groß|juergen.gross||de|Königstraße 44|70173|Stuttgart|DE
mia|Mia|Becker|mia.becker|+49 176 4401 2210|de|Schanzenstraße 75|20357|Hamburg|DE
felix|Felix|Wagner|felixwagner|+49 160 300 4005|de||||
sabine|Sabine|Köhler|sabine.koehler||de|Hauptstraße 102|69117|Heidelberg|DE
emil|Emil|Öztürk|emil.oeztuerk|+49 157 8899 001|de|Venloer Straße 310|50823|Köln|DE
charlotte|Charlotte|Weiß|charlotte.weiss|+49 172 555 7781|de|Prinzregentenplatz 9|81675|München|DE
paul|Paul|Zimmermann|||de|Karl-Liebknecht-Straße 30|04275|Leipzig|DE
greta|Greta|Lang|greta.lang|+49 152 0110 220|de|Marktplatz 2|28195|Bremen|DE
konrad|Konrad|Fuchs||+49 171 660 0110|de|Talstraße 12|01067|Dresden|DE
sakura|さくら|佐藤|sakura.sato|+81 90 1234 5678|ja|神宮前 4-12-10|150-0001|東京都渋谷区|JP
haruto|陽翔|鈴木|haruto.suzuki|+81 80 2222 3333|ja|梅田 3-1-3|530-0001|大阪市北区|JP
yui|結衣|高橋|yui.takahashi||ja|四条通 28|600-8007|京都市下京区|JP
ren|蓮|田中|ren.tanaka|+81 70 4000 5000|ja|大通西 5-8|060-0042|札幌市中央区|JP
aoi|葵|渡辺|aoi.watanabe|+81 90 8765 4321|ja||||
kenji|Kenji|Ōno|kenji.ono|+81 90 1111 0000|en|港町 1-1|231-0017|横浜市中区|JP
hina|陽菜|伊藤||+81 80 9090 1212|ja|天神 2-5-55|810-0001|福岡市中央区|JP
emma|Emma|O’Sullivan|emma.osullivan|+353 85 123 4567|en|14 Grafton Street|D02 H303|Dublin|IE
liam|Liam|Smith|liam.smith|+44 7700 900123|en|221B Baker Street|NW1 6XE|London|GB
olivia|Olivia|Featherstonehaugh-Cholmondeley|olivia.fc|+44 7700 900456|en|The Old Rectory, Church Lane|GL54 1AA|Stow-on-the-Wold|GB
noah|Noah|Jones|noah.jones||en|1200 Market Street|94102|San Francisco|US
ava|Ava|Williams|ava.williams|+1 415 555 0134|en|77 Massachusetts Avenue|02139|Cambridge|US
jose|José María|de la Santísima Trinidad Fernández de Córdoba y Álvarez de Toledo|jm.fernandez|+34 612 345 678|en|Calle de Alcalá 50|28014|Madrid|ES
ines|Inês|Gonçalves|ines.goncalves|+351 912 345 678|en|Rua das Flores 105|4050-265|Porto|PT
nguyen|Thị Minh Khai|Nguyễn|khai.nguyen|+84 912 345 678|en|12 Lê Lợi|700000|Thành phố Hồ Chí Minh|VN
bjork|Björk|Guðmundsdóttir|bjork.g|+354 611 1234|en|Laugavegur 20|101|Reykjavík|IS
omar|عمر|الفاسي|omar.elfassi|+212 612 345 678|en|12 Rue de Marrakech|20250|Casablanca|MA
priya|Priya|Ramasubramanian|priya.r|+91 98765 43210|en|8 Brigade Road|560001|Bengaluru|IN
siobhan|Siobhán|Ní Bhriain|siobhan|+353 87 765 4321|en|||
chloe|Chloé|Lefèvre|chloe.lefevre|+33 6 12 34 56 78|en|8 rue des Martyrs|75009|Paris|FR
matteo|Matteo|D’Angelo|matteo.dangelo||en|Via Garibaldi 18|10122|Torino|IT
suharto|Suharto||suharto|+62 812 3456 7890|en|Jl. Sudirman 52|12190|Jakarta|ID
madonna||Adele|adele||en||||
li|Li|Wu|li.wu|+65 8123 4567|en|||
ann|Ann||ann||de||||
nobody1|||hello.there||||||
nobody2|||x|+48 500 100 900|pl||||
phone1||||+48 722 000 111|pl||||
phone2|Grzegorz|||+48 722 000 222|pl|ul. Polna 4|05-500|Piaseczno|PL
guest1|Sofie|Jensen|sofie.jensen|+45 20 12 34 56|en|||
guest2|Lars|van den Berg|lars.vdberg||en|Prinsengracht 263|1016 GV|Amsterdam|NL
guest3|||newsletter.only||||||
excluded1|Rudi|Rabatt|rudi.rabatt|+49 151 0000 001|de|Sparweg 9|99999|Sparstadt|DE
excluded2|Max|Sparfuchs|max.v|+44 7700 900999|en|||
"""


def everybody() -> list[Person]:
    """The people above, in order."""
    return [_person(row) for row in ROWS.strip().splitlines()]


def _person(row: str) -> Person:
    cells = row.split("|") + [""] * 10
    key, first_name, last_name, email, phone, language, line_1, postal_code, city, country = cells[:10]
    state = CustomerState.MEMBER
    if key.startswith("guest"):
        state = CustomerState.CANDIDATE
    elif key.startswith("excluded"):
        state = CustomerState.DISABLED
    address = None
    if line_1:
        recipient = f"{first_name} {last_name}".strip()
        address = Address(recipient=recipient, line_1=line_1, postal_code=postal_code, city=city, country=country)
    return Person(
        key=key,
        first_name=first_name,
        last_name=last_name,
        email=f"{email}@example.com" if email else None,
        phone=phone or None,
        language=language,
        state=state,
        address=address,
    )

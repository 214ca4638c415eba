"""Scenario 14: every document that is sent fits each version of Shopify's schema, within the scopes we ask for."""

from graphql import parse, validate

from platforms.payouts import shopify_credit
from platforms.shopify import queries, sentences
from tests.fakes.shopify import checks
from tests.matrix.stage import Stage

DOCUMENTS = {
    name: text
    for name, text in vars(queries).items()
    if name.isupper() and not name.startswith("_") and isinstance(text, str)
}


def check(stage: Stage) -> None:
    asked = {*sentences.SCOPES, sentences.GIFT_CARD_SCOPE, *shopify_credit.SCOPES}
    stage.expect("so many versions are supported", len(sentences.VERSIONS), 2)
    for version in map(checks.version, sentences.VERSIONS):
        needed: set[str] = set()
        for name, text in DOCUMENTS.items():
            document = parse(text)
            stage.expect(f"{name}: the schema has against it", validate(version.schema, document), [])
            for scopes in checks.wanted_scopes(version, document).values():
                fitting = checks.with_reads(asked) & set(scopes)
                stage.expect(f"{name}: a scope of ours lets it pass", bool(fitting), True)
                needed |= {one.removeprefix("read_").removeprefix("write_") for one in fitting}
        ours = {one.removeprefix("read_").removeprefix("write_") for one in asked}
        stage.expect("the scopes we ask for and do not need are", ours - needed, set())

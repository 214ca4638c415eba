"""Refusals: what the domain raises when it will not do a thing."""


class DomainError(Exception):
    """A refusal with a code for programs and a sentence for people.

    Subclasses are named for the fact and set `code`; the sentence says what was wrong, where, and what to do.
    """

    code = "refused"
    field = ""  # what the caller gave, or left out, that is at fault; a slash stands between the steps to it

    def __init__(self, sentence: str, *, code: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return self.sentence

"""What the shop says no to."""


class Refused(Exception):
    """The shop will not do it. `code` is for programs, the sentence for people, `status` for HTTP."""

    def __init__(self, code: str, sentence: str, *, status: int = 422) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.status = status

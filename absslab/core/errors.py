"""What a person can put right."""


class InputError(ValueError):
    """Input that cannot be used: the message is one line that says what came, what is expected and what to do."""

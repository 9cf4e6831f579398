"""What a person can put right."""


class InputError(ValueError):
    """Input that cannot be used: the message is one line that says what came, what is expected and what to do."""


class WorkError(RuntimeError):
    """Work that failed although its input could be used: the message is one line that says where, and what is kept."""

"""What the engine refuses."""


class EngineError(ValueError):
    """The engine cannot train a network as asked; the message says why and what to do instead."""

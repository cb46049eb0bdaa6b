"""The error that the engine raises for networks it refuses."""


class EngineError(ValueError):
    """The engine cannot train a network as asked; the message says why and what to do instead."""

"""The one exception that the engine raises for bad input."""


class GenesisException(RuntimeError):
    """Raised before anything changed; the message says what was given, what was expected and what to do."""


class NotInitializedError(GenesisException, AttributeError):
    """A runtime value was read before :func:`genesis.init`.

    It is an ``AttributeError`` as well because ``gs.device`` is read through a module's ``__getattr__``: ``hasattr``,
    ``inspect`` and tab completion rely on that type.
    """


class UnknownNameError(GenesisException, AttributeError):
    """A name that Genesis has and this engine has not; the message says why. An ``AttributeError`` for `hasattr`."""


class UnknownModuleError(GenesisException, ModuleNotFoundError):
    """A module, or a name imported from one, that Genesis has and this engine has not; the message says why.

    A ``ModuleNotFoundError`` for programs that try to import and go on without.
    """

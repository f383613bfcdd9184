"""Kinetype for Blender: type a motion, get keyframes.

Importing this package loads nothing but the standard library; :func:`register` loads the panel.
"""


def register() -> None:
    """Enable the add-on (called by Blender)."""
    from . import registration

    registration.register()


def unregister() -> None:
    """Disable the add-on: stop the backend and remove everything that :func:`register` added."""
    from . import registration

    registration.unregister()

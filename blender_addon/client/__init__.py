"""The add-on's side of the service: sessions that never make the main thread wait (no bpy)."""

from .command import BackendCommand, default_command
from .inprocess import InProcessSession
from .process import ProcessSession
from .session import Event, Session, State

__all__ = [
    "BackendCommand",
    "Event",
    "InProcessSession",
    "ProcessSession",
    "Session",
    "State",
    "default_command",
]

"""The sidebar tab and the preferences page. Drawing reads; it never waits and never writes."""

from __future__ import annotations

from . import (
    advanced,
    clean_up,
    direct_panel,
    edit_panel,
    joints,
    main,
    models,
    presets_panel,
    shape,
    takes_panel,
)

CLASSES: tuple[type, ...] = (
    *presets_panel.CLASSES,
    *main.CLASSES,
    *models.CLASSES,
    *shape.CLASSES,
    *takes_panel.CLASSES,
    *direct_panel.CLASSES,
    *edit_panel.CLASSES,
    *clean_up.CLASSES,
    *joints.CLASSES,
    *advanced.CLASSES,
)

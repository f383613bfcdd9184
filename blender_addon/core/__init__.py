"""Pure numpy maths of the add-on: no bpy, no torch, no scene."""

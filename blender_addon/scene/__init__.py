"""Everything that reads or writes Blender data: armature, body, action, stage, render."""

"""Only what pyproject.toml cannot say: the folder ``backend`` is installed as ``kinetype``."""

from setuptools import find_packages, setup

FOLDERS = {"kinetype": "backend", "blender_addon": "blender_addon"}

setup(
    package_dir=FOLDERS,
    packages=[
        f"{name}.{package}" if package else name
        for name, folder in FOLDERS.items()
        for package in ("", *find_packages(folder))
    ],
)

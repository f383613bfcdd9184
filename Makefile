# Every target calls scripts/dev.py, which also works where there is no make (Windows).
PYTHON ?= $(shell command -v python3.11 || command -v python3 || command -v python)
DEV = $(or $(PYTHON),$(error No Python was found: install Python 3.11, or say which one with PYTHON=/path/to/python)) scripts/dev.py

.PHONY: demo test setup lint extension blender-matrix window-test clean

demo:  ## set up, then a prompt to out/demo.npz, out/demo.blend and out/demo.mp4
	$(DEV) demo

test:  ## set up, then the test suite
	$(DEV) test $(ARGS)

setup lint extension clean:
	$(DEV) $@

window-test:  ## the add-on in a real Blender window: KINETYPE_BLENDER, else one that is set up
	$(DEV) window-test $(ARGS)

blender-matrix:  ## the add-on's tests on Blender 4.2, 4.5, 5.0 and 5.2; one of them: SERIES=4.2
	$(DEV) blender-matrix $(SERIES)

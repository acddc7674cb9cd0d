# The commands of the course. They install what they need the first time.
#
#   make lab                      open the course in JupyterLab
#   make test                     run all tests, in parallel
#   make site                     build the website into site/_build/html
#   make site-test                build it and test it in headless Chromium
#   make lab PORT=9000            another port
#   make lab PYTHON=python3.12    another Python (3.10 to 3.14)
#   make test ARGS="-k digits"    further arguments for pytest, or for JupyterLab

PORT ?= 8888

.PHONY: lab test site site-test clean

lab:
	@sh tools/setup.sh lab
	@sh tools/lab.sh $(PORT) $(ARGS)

test:
	@sh tools/setup.sh test
	@.venv/bin/python -m pytest -n auto --maxprocesses 8 --dist worksteal $(ARGS)

site:
	@sh tools/site.sh

site-test:
	@sh tools/site.sh test $(ARGS)

clean:
	rm -rf .venv .venv-site site/_build site/node_modules

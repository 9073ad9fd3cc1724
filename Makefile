.PHONY: run test lint bench

run:
	@./run

test:
	@./run test

lint:
	@./run lint

bench:
	@for bench in tests/bench/*.py; do .venv/bin/python -m "tests.bench.$$(basename "$$bench" .py)" || exit 1; done

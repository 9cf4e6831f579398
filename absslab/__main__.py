"""Run the command line as `python -m absslab`."""

from absslab.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())

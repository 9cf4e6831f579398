"""Run the command line, also where there is too little memory to load it."""

import sys


def main() -> int:
    """Run the command line, and return the exit status."""
    try:
        from absslab.cli.main import main as run_command
    except (MemoryError, ImportError, OSError, SystemError) as error:
        # Nothing else can be imported either, so that the texts of libraries stand here again.
        shortages = ("annot allocate memory", "failed to map segment", "not enough memory")
        if not isinstance(error, MemoryError) and not any(text in str(error) for text in shortages):
            raise
        print(
            "absslab: the memory is full: close other programs, raise its limit (ulimit -v), or "
            "take a machine with more",
            file=sys.stderr,
        )
        return 1
    return run_command()


if __name__ == "__main__":
    raise SystemExit(main())

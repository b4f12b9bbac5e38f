"""``python -m pipeline``."""

import io
import os
import sys


def start() -> None:
    """Set up the process, then hand over to the command line."""
    # One thread per fit, everywhere: the same sums in the same order give the same bytes, and
    # busy threads slow each other down. Numerical libraries read this when they are imported.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    # A terminal or log that knows no ✓ shows a question mark; the run goes on.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        from pipeline.cli import main
    except KeyboardInterrupt:
        print("✗ Stopped before anything began.", file=sys.stderr)
        raise SystemExit(130) from None
    main()


if __name__ == "__main__":
    start()

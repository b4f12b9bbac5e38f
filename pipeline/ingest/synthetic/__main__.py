"""``python -m pipeline.ingest.synthetic [data]``: measure the generator, update the README."""

import sys
from pathlib import Path

from pipeline.ingest.synthetic.report import measure, to_markdown, write_readme

data = Path(sys.argv[1] if len(sys.argv) > 1 else "data")
write_readme(data / "README.md", to_markdown(measure(data)))

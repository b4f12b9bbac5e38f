"""Tables that studies write into the Markdown files which tell of them."""

from pathlib import Path


def write_between(file: Path, name: str, table: str) -> None:
    """Put a table between the marks ``<!-- name: begin -->`` and ``<!-- name: end -->``."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, rest = file.read_text(encoding="utf-8").split(begin)
    after = rest.split(end)[1]
    file.write_text(f"{before}{begin}\n\n{table}\n\n{end}{after}", encoding="utf-8")

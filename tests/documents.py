"""The documents as tests see them: blocks of code, commands, links, headings."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README, README_PT = ROOT / "README.md", ROOT / "README.pt-BR.md"
DOCUMENTS = (README, README_PT, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))

NOT_RUN: Mapping[str, str] = {
    r"(\w+=.*)?make .*": "runs this very test, or for minutes; its targets are looked up",
    r"python3 -m venv .*": "`make` prepares the environment that runs this test",
    r"pip install .*": "downloads; the lock file is tested, and so is the wheel",
    r"npx aws-cdk@.* (bootstrap|deploy|destroy)": "needs an AWS account; its version is compared",
    r"python -m bench.cost .*": "a test of the costs compares what it prints with the document",
    r"python -m infra\.console_events.*": "the local AWS has no schemas; a test stubs them",
    r"aws lambda get-account-settings": "an account's quotas are AWS's own",
}
"""Commands that no test runs, by pattern, and why."""

INLINE_JSON = re.compile(r"`(\{\"[^`]*\})`")
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
COMMENT = re.compile(r"(^|\s+)# .*$")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of code."""

    document: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document.name}:{self.line}"


@dataclass(frozen=True, slots=True)
class Command:
    """A line of a shell block, without its comment."""

    block: Block
    text: str

    def __str__(self) -> str:
        return f"{self.block.document.name}: {self.text}"

    @property
    def is_run(self) -> bool:
        """Whether tests/e2e runs it."""
        return not any(re.fullmatch(pattern, self.text) for pattern in NOT_RUN)


def blocks(*languages: str, document: Path | None = None) -> list[Block]:
    """All blocks in one of these languages; of all documents, or of one."""
    documents = (document,) if document else DOCUMENTS
    return [block for one in documents for block in _blocks(one) if block.language in languages]


def commands(document: Path | None = None) -> list[Command]:
    """All lines of all shell blocks that are no comment."""
    lines = (
        Command(block, COMMENT.sub("", line).strip())
        for block in blocks("sh", document=document)
        for line in block.text.splitlines()
    )
    return [command for command in lines if command.text]


def headings(document: Path) -> list[tuple[int, str]]:
    """Level and text of each heading, those in blocks of code left out."""
    return [(len(level), text) for level, text in HEADING.findall(_prose(document))]


def links(document: Path) -> list[str]:
    """The targets of all links to files and places in them."""
    found = LINK.findall(_prose(document))
    return [target for target in found if not target.startswith(("https:", "http:"))]


def anchors(document: Path) -> set[str]:
    """The names by which GitHub lets links reach a document's headings."""
    return {
        re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for _, text in headings(document)
    }


def _blocks(document: Path) -> Iterator[Block]:
    text = document.read_text("utf-8")
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        indent, language, content = match.groups()
        yield Block(document, line, language, re.sub(f"^{indent}", "", content, flags=re.MULTILINE))


def _prose(document: Path) -> str:
    return FENCE.sub("", document.read_text("utf-8"))

import json
import re
from pathlib import Path

import pytest

from bench import cost
from bench.cost import Assumptions, cost_table, estimate
from imagepress.costs import GET, HEAD, PUT, TAGS

ROOT = Path(__file__).parents[2]
COSTS = (ROOT / "docs" / "costs.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
TABLES = cost.tables()


@pytest.mark.parametrize("name", TABLES)
def test_the_document_has_the_tables_that_the_script_prints(name: str) -> None:
    assert TABLES[name] in COSTS


def test_the_readme_has_the_figures_of_its_command() -> None:
    figures = dict(re.findall(r"\| (compressor|total) \| ([\d.]+) \|", TABLES["parts"]))

    assert f"| {figures['total']} $, of which {figures['compressor']} $ for the compr" in README


def test_the_example_is_what_its_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    _, _, rest = COSTS.partition("python -m bench.cost --images 3e6")
    command, _, shown = f"--images 3e6{rest}".partition("\n")

    cost.main(command.split())

    assert capsys.readouterr().out.strip() in shown


def test_a_picture_takes_what_its_megapixels_take_and_a_small_one_the_least() -> None:
    # 10 MP x 0.1 s on two processors: half a second of each compressor.
    given = Assumptions(images=100, megapixels=10, seconds_per_megapixel=0.1, memory_mb=3538)
    assert given.compute_seconds == pytest.approx(50)

    small = Assumptions(images=100, megapixels=0.01, memory_mb=1769)
    assert small.compute_seconds == pytest.approx(12)


def test_the_dearest_part_by_hand() -> None:
    # 12 MP x 0.07 s x 1.7275 GB of a processor = 1.4511 GB-s a picture, whatever the memory.
    per_million = 1.4511e6 * 0.0000166667
    for memory in (1769, 3538):
        found = estimate(Assumptions(memory_mb=memory, tmp_mb=512))
        assert found.parts["compressor"] == pytest.approx(per_million, rel=1e-4)


def test_each_picture_is_got_looked_at_and_put() -> None:
    work = Assumptions(images=1000, chunk_size=100, annotations=False).work()

    assert work.requests == {"STANDARD": {GET: 1000, HEAD: 1000, PUT: 1000, TAGS: 10}}
    assert (work.chunks, work.shards) == (10, 1)


def test_keys_are_used_only_where_there_are_some() -> None:
    assert "kms" not in estimate(Assumptions()).parts
    # Two million requests at 0.03 for ten thousand.
    assert estimate(Assumptions(kms=True)).parts["kms"] == pytest.approx(6)


def test_savings_by_hand() -> None:
    # A million of 1,073.741824 KB are a thousand GB; a quarter goes.
    given = Assumptions(kb_before=1073.741824, saved_percent=25)

    found = estimate(given)

    # Sizes are whole bytes.
    assert found.gigabytes_saved == pytest.approx(250, rel=1e-5)
    assert found.savings is not None
    assert found.savings.month_after == pytest.approx(250 * 0.023, rel=1e-5)
    assert found.months_to_pay_back == pytest.approx(found.total / 5.75, rel=1e-5)


def test_young_originals_are_charged_for_all_pictures() -> None:
    given = Assumptions(kb_before=1073.741824, storage_class="GLACIER_IR", age_days=60)

    found = estimate(given)

    assert found.savings is not None
    assert found.savings.leaving == pytest.approx(1000 * 0.004 * 30 / (730 / 24), rel=1e-6)


def test_figures_are_the_last_line(capsys: pytest.CaptureFixture[str]) -> None:
    cost.main(["--images", "2e6", "--json"])

    lines = capsys.readouterr().out.splitlines()
    figures = json.loads(lines[-1])
    assert figures["dollars"]["total"] == pytest.approx(2 * figures["dollars_per_million"]["total"])
    assert lines[0].startswith("| part | $ per million images")


def test_a_table_ends_with_the_sum_of_its_parts() -> None:
    found = estimate(Assumptions())

    last = cost_table(found).splitlines()[-1]
    assert last == f"| total | {sum(found.parts.values()):,.2f} | 100 % |"

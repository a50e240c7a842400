"""A million rows through the dispatcher, with little time at once and deaths in between."""

from imagepress.chunk import MAX_ROWS, Chunk
from tests.integration.pump import Pump
from tests.integration.service import Service
from tests.integration.stack import CHUNKS, DISPATCHES, Stack
from tests.integration.wire import Call, Wire, die

ROWS = 1_000_000
FEWEST_STEPS = 20


def key(number: int) -> str:
    """Now and then one that has to be quoted, even over two lines."""
    match number % 100_003:
        case 1:
            return f'album "{number}", page\n2.jpg'
        case 2:
            return f"álbum {number}, página.jpg"
        case _:
            return f"pictures/2026/{number:07}.jpg"


def manifest() -> bytes:
    quoted = (
        '"' + name.replace('"', '""') + '"' if '"' in name or "," in name else name
        for name in map(key, range(1, ROWS + 1))
    )
    return ("path\n" + "\n".join(quoted)).encode()


def test_every_row_of_a_million_goes_out_exactly_once(
    service: Service, stack: Stack, pump: Pump, wire: Wire
) -> None:
    chunks: dict[int, str] = {}
    repeated: set[int] = set()

    def take(call: Call) -> None:
        for entry in call.parameters["Entries"]:
            body = entry["MessageBody"]
            number = Chunk.from_message(body).number
            assert chunks.setdefault(number, body) == body
            if chunks[number] is not body:
                repeated.add(number)
        # Nobody is to receive them, and moto takes long over ten thousand messages.
        stack.forget_messages(CHUNKS)

    wire.after("SendMessageBatch", take, times=10**6)
    for nth in (100, 400, 800):
        wire.before("SendMessageBatch", die, nth=nth)
    run_id = service.start_upload(manifest())
    pump.clock.seconds = 10
    steps = 0
    while not (run := stack.table.load(run_id)) or not run.fully_dispatched:
        pump.step(DISPATCHES)
        steps += 1

    assert steps > FEWEST_STEPS
    assert pump.deaths == 3
    assert run.rows_total == ROWS
    assert run.chunk_size == MAX_ROWS
    assert sorted(chunks) == list(range(run.chunks_total or 0))
    rows = [row for number in sorted(chunks) for row in Chunk.from_message(chunks[number]).rows]
    assert [row.number for row in rows] == list(range(1, ROWS + 1))
    assert all(row.key == key(row.number) for row in rows)
    # What was sent twice is what the deaths left uncertain: less than a wave each.
    assert len(repeated) <= 3 * 200

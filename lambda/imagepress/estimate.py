"""What a dry run says about all rows from those that it looked at, with a 95 % interval.

Rows are drawn independently with equal probability, so means over the drawn rows estimate means
over all; the interval is the usual normal one, with the correction for a finite population
(Cochran, Sampling Techniques, 3rd edition, 2.6-2.8).
"""

import math
from dataclasses import dataclass
from typing import Any

from imagepress.outcome import RowResult, SkipReason

NORMAL_95 = 1.96


@dataclass(slots=True)
class SavingsEstimate:
    """Sums over the rows that would be compressed; bytes."""

    images: int = 0
    before: int = 0
    saved: int = 0
    saved_squared: int = 0

    def add(self, result: RowResult) -> None:
        """Take a row in; only those of a dry run that would be compressed count."""
        if result.reason is not SkipReason.DRY_RUN:
            return
        saved = (result.bytes_before or 0) - (result.bytes_after or 0)
        self.images += 1
        self.before += result.bytes_before or 0
        self.saved += saved
        self.saved_squared += saved * saved

    def to_json(self, drawn: int, rows: int) -> dict[str, Any]:
        """The savings of all `rows` as the `drawn` ones tell them, bytes with a 95 % interval."""
        if not drawn:
            return {"rows_drawn": 0, "would_compress": 0, "bytes_saved": 0, "interval_95": [0, 0]}
        mean = self.saved / drawn
        variance = max(0.0, self.saved_squared / drawn - mean * mean)
        unbiased = variance * drawn / (drawn - 1) if drawn > 1 else 0.0
        error = NORMAL_95 * rows * math.sqrt(unbiased / drawn * (1 - drawn / rows))
        total = mean * rows
        return {
            "rows_drawn": drawn,
            "would_compress": round(self.images * rows / drawn),
            "bytes_before_drawn": self.before,
            "bytes_saved_drawn": self.saved,
            "bytes_saved": round(total),
            "interval_95": [round(max(0.0, total - error)), round(total + error)],
        }

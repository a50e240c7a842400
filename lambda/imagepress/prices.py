"""What AWS asks for what a run uses, in US dollars, as read on the day in `AS_OF`.

AWS draws its price pages by script, so these come from copies of its price lists; each line names
the list or the page. What was not found is None, and whatever needs it is left out of a bill.
Prices are those of the first tier, without the free tier and without any agreement.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

AS_OF: Final = "2026-11-23"
MONTH_HOURS: Final = 730
# S3's FAQ counts 10 TB as 10,995,116,277,760 bytes.
GIGABYTE: Final = 1 << 30
# One request for each 64 KB that a message or a batch of them has (AWSQueueService offer, 2025-08).
SQS_REQUEST_BYTES: Final = 64 << 10
STANDARD: Final = "STANDARD"


@dataclass(frozen=True, slots=True)
class StorageRules:
    """What holds of a storage class everywhere: an object is billed for at least this."""

    least_days: int = 0
    least_bytes: int = 0


@dataclass(frozen=True, slots=True)
class StoragePrices:
    """A storage class in a region: a GB-month, a write, a read, and a GB that is read."""

    gigabyte_month: float
    put: float
    get: float
    retrieved_gigabyte: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """A region's prices; `compute` is a GB-second by architecture, the rest one of what it names.

    `temp_gigabyte_second` is /tmp beyond 512 MB; `metric` a custom metric for a month.
    """

    region: str
    compute: Mapping[str, float]
    invocation: float
    temp_gigabyte_second: float | None
    queue_request: float | None
    write_unit: float | None
    read_unit: float | None
    log_gigabyte: float
    metric: float | None
    key_request: float | None
    storage: Mapping[str, StoragePrices]


# amazon.com/s3/pricing, notes on minimum durations and the 128 KB of the infrequent classes.
STORAGE_RULES: Final[Mapping[str, StorageRules]] = {
    STANDARD: StorageRules(),
    "REDUCED_REDUNDANCY": StorageRules(),
    "INTELLIGENT_TIERING": StorageRules(),
    "STANDARD_IA": StorageRules(30, 128 << 10),
    "ONEZONE_IA": StorageRules(30, 128 << 10),
    "GLACIER_IR": StorageRules(90, 128 << 10),
}

_US_EAST_1: Final = Prices(
    region="us-east-1",
    # AWSLambda offer, publication 2026-09-19, tier 1.
    compute={"x86_64": 0.0000166667, "arm64": 0.0000133334},
    # The same offer: 0.20 per million.
    invocation=0.20e-6,
    # calculator.aws, unit map of Lambda.
    temp_gigabyte_second=0.0000000309,
    # AWSQueueService offer, 2025-08-28: 0.40 per million.
    queue_request=0.40e-6,
    # AmazonDynamoDB offer, 2026-08-15: on demand, Standard class, per million.
    write_unit=0.625e-6,
    read_unit=0.125e-6,
    # AmazonCloudWatch offer, 2026-08-06: Standard log class.
    log_gigabyte=0.50,
    # The same: the first 10,000.
    metric=0.30,
    # KMS price list: 0.03 per 10,000.
    key_request=0.03e-4,
    # AmazonS3 offer files, 2026-08-07: GB-month, PUT, GET, retrieval.
    storage={
        STANDARD: StoragePrices(0.023, 0.005e-3, 0.0004e-3),
        "INTELLIGENT_TIERING": StoragePrices(0.023, 0.005e-3, 0.0004e-3),
        "STANDARD_IA": StoragePrices(0.0125, 0.01e-3, 0.001e-3, 0.01),
        "ONEZONE_IA": StoragePrices(0.010, 0.01e-3, 0.001e-3, 0.01),
        "GLACIER_IR": StoragePrices(0.004, 0.02e-3, 0.01e-3, 0.03),
    },
)

_EU_WEST_1: Final = Prices(
    region="eu-west-1",
    # As us-east-1 in the AWSLambda, AWSQueueService and AmazonS3 offers.
    compute=_US_EAST_1.compute,
    invocation=_US_EAST_1.invocation,
    # AWSLambda offer, publication 2026-09-19.
    temp_gigabyte_second=0.0000000340,
    queue_request=_US_EAST_1.queue_request,
    # AmazonDynamoDB offer, 2026-08-15.
    write_unit=0.705e-6,
    read_unit=0.1415e-6,
    # AmazonCloudWatch offer, 2026-08-06.
    log_gigabyte=0.57,
    metric=0.30,
    key_request=None,
    storage=_US_EAST_1.storage,
)

_SA_EAST_1: Final = Prices(
    region="sa-east-1",
    # AWSLambda offer read on 2026-10-08; arm64 was not found.
    compute={"x86_64": 0.0000166667},
    invocation=0.20e-6,
    temp_gigabyte_second=None,
    queue_request=None,
    write_unit=None,
    read_unit=None,
    # SKU AW4EB5RGNN8S75Q8, 2026-09-22.
    log_gigabyte=0.90,
    metric=None,
    key_request=None,
    # AmazonS3 offer, 2026-09-26.
    storage={
        STANDARD: StoragePrices(0.0405, 0.007e-3, 0.00056e-3),
        "INTELLIGENT_TIERING": StoragePrices(0.0405, 0.007e-3, 0.00056e-3),
        "STANDARD_IA": StoragePrices(0.0221, 0.01e-3, 0.001e-3, 0.01),
        "ONEZONE_IA": StoragePrices(0.0177, 0.01e-3, 0.001e-3, 0.01),
        "GLACIER_IR": StoragePrices(0.0083, 0.02e-3, 0.01e-3, 0.03),
    },
)

REGIONS: Final[Mapping[str, Prices]] = {
    prices.region: prices for prices in (_US_EAST_1, _EU_WEST_1, _SA_EAST_1)
}

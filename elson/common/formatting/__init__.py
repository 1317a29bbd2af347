"""Numbers, money and time as people read them, equal to Intl in the browser.

One set of rules for every page: the minus is U+2212, a missing value is an em dash, zero has no
sign, prices never use an exponent. Each function takes the raw value and returns text; the markup
around it is made in templatetags/formats.py. static/js/common/format.js mirrors this package for
streamed values, and a test compares the two.
"""

from elson.common.formatting.names import in_words, label_of, value_words
from elson.common.formatting.numbers import (
    basis_points,
    big,
    has_no_loss,
    money,
    number,
    percent,
    price,
    probability,
    profit_factor,
    quantity,
    ratio,
    share,
    signed_money,
    signed_number,
    signed_percent,
    too_few,
    win_rate,
)
from elson.common.formatting.reader import (
    MISSING,
    Format,
    activate,
    current,
    deactivate,
    use,
)
from elson.common.formatting.times import (
    ago,
    clock,
    day,
    duration,
    localize,
    when,
    zone_names,
)
from elson.common.formatting.typed import (
    NumberNotUnderstood,
    parse_decimal,
    parse_whole,
)

__all__ = [
    "MISSING",
    "Format",
    "NumberNotUnderstood",
    "activate",
    "ago",
    "basis_points",
    "big",
    "clock",
    "current",
    "day",
    "deactivate",
    "duration",
    "has_no_loss",
    "in_words",
    "label_of",
    "localize",
    "money",
    "number",
    "parse_decimal",
    "parse_whole",
    "percent",
    "price",
    "probability",
    "profit_factor",
    "quantity",
    "ratio",
    "share",
    "signed_money",
    "signed_number",
    "signed_percent",
    "too_few",
    "use",
    "value_words",
    "when",
    "win_rate",
    "zone_names",
]

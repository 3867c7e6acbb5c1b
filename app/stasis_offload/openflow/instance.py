"""Several applications at one bridge: what each has of the cookies, the tables and the register (docs/decisions/0011)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from stasis_offload.openflow.flow import (
    COOKIE_PREFIX,
    COOKIE_PREFIX_MASK,
    INSTANCE_SHIFT,
    LEASE_TABLE,
    TABLES,
    Flow,
    owner_cookie,
)

# How many applications can be at one bridge.
INSTANCES = 8
# Above what people type by hand (32768 is the default of ovs-ofctl).
_GATE_PRIORITY = 40_000


@dataclass(frozen=True, slots=True)
class Instance:
    """One of the applications at a bridge, by its number, 0 to 7.

    All but `openflow/` makes flows and names cookies as if it were number 0; what goes to the switch is `placed`.
    """

    number: int = 0

    @classmethod
    def of_table(cls, table: int) -> "Instance":
        """Return whose a table is, which has to be one of theirs."""
        return cls((table - LEASE_TABLE) // TABLES)

    @property
    def prefix(self) -> int:
        """The upper 16 bits of its cookies (COOKIE_PREFIX_MASK)."""
        return COOKIE_PREFIX | self.number << INSTANCE_SHIFT

    @property
    def gate_priority(self) -> int:
        """The priority of its gate. A packet meets the highest first, and what that one does not take the next."""
        return _GATE_PRIORITY + self.number

    @property
    def passed_bit(self) -> int:
        """The bit of the register that marks what has passed its gate."""
        return self.number

    @property
    def leased_bit(self) -> int:
        """The bit of the register that marks what has its gate's lease."""
        return INSTANCES + self.number

    @property
    def tables(self) -> frozenset[int]:
        """Its tables."""
        return frozenset(range(self.table(LEASE_TABLE), self.table(LEASE_TABLE) + TABLES))

    def table(self, table: int) -> int:
        """Return its table in place of one of instance 0."""
        return table + TABLES * self.number

    def cookie(self, owner: int) -> int:
        """Return the cookie of an owner with role 0."""
        return owner_cookie(owner) | self.number << INSTANCE_SHIFT

    def owns(self, cookie: int) -> bool:
        """Return whether it added the flow with this cookie."""
        return cookie & COOKIE_PREFIX_MASK == self.prefix

    def placed(self, flows: Iterable[Flow]) -> tuple[Flow, ...]:
        """Return flows of instance 0 as its own."""
        if self.number == 0:
            return tuple(flows)
        return tuple(
            replace(flow, cookie=flow.cookie | self.number << INSTANCE_SHIFT, table=self.table(flow.table))
            for flow in flows
        )

    def unplaced(self, cookie: int) -> int:
        """Return the cookie that a flow of its own had before it was placed."""
        return cookie & ~(self.number << INSTANCE_SHIFT)

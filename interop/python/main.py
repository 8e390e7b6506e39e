"""The Python peer: confluent-kafka (librdkafka). Usage: main.py COMMAND --bootstrap HOST:PORT [--option value]…

Results are JSON lines on stdout, logs go to stderr. See ../README.md.
"""

import sys
import traceback

import basics
import load
import rpw
import transactions
import zombie
from common import Options, failures

COMMANDS = {
    "basics": basics.run,
    "idempotent": transactions.idempotent,
    "transactions": transactions.run,
    "load": load.run,
    "read": load.read,
    "rpw": rpw.run,
    "hold": zombie.hold,
    "once": zombie.once,
    "zombie": zombie.in_process,
}

if __name__ == "__main__":
    try:
        COMMANDS[sys.argv[1]](Options(sys.argv[2:]))
    except Exception:
        traceback.print_exc()
        sys.exit(1)
    sys.exit(1 if failures else 0)

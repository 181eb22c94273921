"""Sends a scenario (JSON lines on stdin) through the unmodified RudderStack Python SDK and tells, as one JSON line,
what the SDK itself confirmed. Exits 1 on any SDK error."""

import json
import os
import re
import sys
from datetime import datetime

import rudderstack.analytics as rudder

calls = [json.loads(line) for line in sys.stdin.buffer.read().decode().split("\n") if line.strip()]
errors = []
failed = 0


def on_error(error, batch):
    """The SDK's word that it gave a batch up; it says nothing where a batch went well."""
    global failed
    failed += len(batch)
    errors.append(str(error))


def send(call, args):
    # The scenario has the wire's names: userId is user_id in Python.
    named = {re.sub("[A-Z]", lambda c: "_" + c.group().lower(), name): value for name, value in args.items()}
    if "timestamp" in named:
        named["timestamp"] = datetime.fromisoformat(named["timestamp"].replace("Z", "+00:00"))
    getattr(rudder, call)(**named)


rudder.write_key = os.environ["WEIR_KEY"]
rudder.dataPlaneUrl = os.environ["WEIR_URL"]
rudder.on_error = on_error
for line in calls:
    send(line["call"], line["args"])
# Returns once every event was confirmed or given up.
rudder.flush()

ok = len(calls) - failed
print(json.dumps({"sdk": f"python {rudder.__version__}", "calls": len(calls), "ok": ok, "errors": errors}))
sys.exit(0 if calls and failed == 0 else 1)

"""Sends a scenario (JSON lines on stdin) through an unmodified Python SDK, RudderStack's (`rudderstack.analytics`) or
Segment's (`segment.analytics`), and tells, as one JSON line, what the SDK itself confirmed. Exits 1 on any SDK error."""

import importlib
import json
import os
import re
import sys
from datetime import datetime

name = sys.argv[1]
sdk = importlib.import_module(name)
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
    getattr(sdk, call)(**named)


sdk.write_key = os.environ["WEIR_KEY"]
if name == "rudderstack.analytics":
    sdk.dataPlaneUrl = os.environ["WEIR_URL"]
else:
    sdk.host = os.environ["WEIR_URL"]
if "WEIR_RETRIES" in os.environ:
    sdk.max_retries = int(os.environ["WEIR_RETRIES"])
sdk.on_error = on_error
if name == "segment.analytics" and "WEIR_RETRIES" in os.environ:
    # It counts no tries of what is answered with Retry-After: time alone bounds them, and there is none for them here.
    sdk.default_client = sdk.Client(
        sdk.write_key, host=sdk.host, on_error=on_error, max_retries=sdk.max_retries, max_rate_limit_duration=0
    )
for line in calls:
    send(line["call"], line["args"])
# Returns once every event was confirmed or given up.
sdk.flush()

ok = len(calls) - failed
maker = "" if name == "rudderstack.analytics" else "segment-"
print(json.dumps({"sdk": f"{maker}python {sdk.__version__}", "calls": len(calls), "ok": ok, "errors": errors}))
sys.exit(0 if calls and failed == 0 else 1)

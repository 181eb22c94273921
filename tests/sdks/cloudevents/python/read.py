"""Reads records, as `weir tail --json` prints them, with the official CloudEvents SDK for Python."""

import json
import sys

from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event

for line in sys.stdin:
    record = json.loads(line)
    headers = {name: value.encode() for name, value in record['headers'].items()}
    key, value = record['key'], json.dumps(record['value']).encode()
    try:
        event = from_binary_event(KafkaMessage(headers=headers, key=key, value=value))
        read = {
            'id': event.get_id(),
            'source': event.get_source(),
            'type': event.get_type(),
            'time_ms': round(event.get_time().timestamp() * 1000),
        }
    except Exception as error:
        read = {'id': record['headers'].get('ce_id'), 'error': repr(error)}
    print(json.dumps(read))

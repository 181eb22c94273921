// Reads records, as `weir tail --json` prints them, with the official CloudEvents SDK for JavaScript.
'use strict';

const readline = require('readline');
const path = require('path');
const { Kafka } = require(path.join(process.argv[2], 'node_modules', 'cloudevents'));

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const record = JSON.parse(line);
  let read;
  try {
    const event = Kafka.toEvent({ headers: record.headers, key: record.key, value: JSON.stringify(record.value) });
    event.validate();
    read = { id: event.id, source: event.source, type: event.type, time_ms: Date.parse(event.time) };
  } catch (error) {
    read = { id: record.headers.ce_id, error: String(error) };
  }
  console.log(JSON.stringify(read));
});

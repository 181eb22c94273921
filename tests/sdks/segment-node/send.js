// Sends a scenario (JSON lines on stdin) through Segment's unmodified Node SDK and tells, as one JSON line, what the SDK
// itself confirmed. Exits 1 on any SDK error.
'use strict';
const fs = require('fs');
const { Analytics } = require('@segment/analytics-node');
const { version } = require('@segment/analytics-node/package.json');

const calls = fs.readFileSync(0, 'utf8').split('\n').filter((line) => line.trim() !== '').map((line) => JSON.parse(line));
const { WEIR_URL, WEIR_KEY, WEIR_RETRIES } = process.env;
const client = new Analytics({
  host: WEIR_URL,
  writeKey: WEIR_KEY,
  ...(WEIR_RETRIES && { maxRetries: Number(WEIR_RETRIES) }),
});
// Without a listener, an error is printed.
client.on('error', () => {});

const errors = [];
let ok = 0;

function send({ call, args }) {
  const message = { ...args };
  if (message.timestamp) message.timestamp = new Date(message.timestamp);
  return new Promise((resolve) => {
    client[call](message, (error) => {
      if (error) errors.push(String(error.message || error));
      else ok += 1;
      resolve();
    });
  });
}

async function main() {
  const confirmations = calls.map(send);
  await client.closeAndFlush({ timeout: 170000 });
  await Promise.all(confirmations);
  console.log(JSON.stringify({ sdk: `segment-node ${version}`, calls: calls.length, ok, errors }));
  process.exitCode = calls.length > 0 && ok === calls.length ? 0 : 1;
}

main();

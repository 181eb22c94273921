// Sends a scenario (JSON lines on stdin) through the unmodified RudderStack Node SDK and tells, as one JSON line,
// what the SDK itself confirmed. Exits 1 on any SDK error.
'use strict';
const fs = require('fs');
const Analytics = require('@rudderstack/rudder-sdk-node');
const { version } = require('@rudderstack/rudder-sdk-node/package.json');

const calls = fs.readFileSync(0, 'utf8').split('\n').filter((line) => line.trim() !== '').map((line) => JSON.parse(line));
const errors = [];
const { WEIR_URL, WEIR_KEY, WEIR_RETRIES } = process.env;
const client = new Analytics(WEIR_KEY, {
  dataPlaneUrl: WEIR_URL,
  ...(WEIR_RETRIES && { retryCount: Number(WEIR_RETRIES) }),
  logLevel: 'silent',
  // Without a handler a failed request is an unhandled rejection, and the process ends without a report.
  errorHandler: () => {},
});

function send({ call, args }) {
  const message = { ...args };
  if (message.timestamp) message.timestamp = new Date(message.timestamp);
  return new Promise((resolve) => {
    client[call](message, (error) => {
      if (error) errors.push(String(error.message || error));
      resolve(error ? 0 : 1);
    });
  });
}

async function main() {
  const confirmations = calls.map(send);
  // The SDK sends 20 events a flush and the very first one alone: flush until it holds none.
  while (client.queue.length > 0) await client.flush();
  const confirmed = await Promise.all(confirmations);
  const ok = confirmed.reduce((sum, one) => sum + one, 0);
  console.log(JSON.stringify({ sdk: `node ${version}`, calls: calls.length, ok, errors }));
  process.exitCode = calls.length > 0 && ok === calls.length ? 0 : 1;
}

main();

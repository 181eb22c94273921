// Visits pages in a real browser, as told: first prints {"origin","versions"}, the origin from which it serves
// browser/pages and the SDKs, and the SDKs' versions; then reads visits, a JSON line each, and answers each with a JSON line: {"requests":[{"method","url","status"}],"console":[]}.
//
// A visit: {"page","query","click","leave","profile"}. The page sets `window.sent`; then something on it is
// clicked, if the visit says so, and it stays open, or is closed as a user closes a tab (`leave`). Visits of one
// `profile` share storage. Where WEIR_SCREENSHOTS names a folder, a picture of what was clicked goes there.
'use strict';
const fs = require('fs');
const http = require('http');
const path = require('path');
const readline = require('readline');
const { chromium } = require('playwright-core');

const FLAGS = [
  '--no-sandbox', '--headless', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync',
  '--disable-background-networking', '--disable-component-update',
];
const PAGES = path.join(__dirname, 'pages');
const INSTALLED = path.join(process.env.NODE_PATH, '@rudderstack');
const FILES = {
  '/analytics-js.js': path.join(INSTALLED, 'analytics-js/dist/npm/modern/bundled/umd/index.js'),
  '/analytics-js.mjs': path.join(INSTALLED, 'analytics-js/dist/npm/modern/bundled/esm/index.mjs'),
  '/rudder-sdk-js.js': path.join(INSTALLED, '../rudder-sdk-js/dist/npm/index.js'),
  '/service-worker-sdk.js': path.join(INSTALLED, 'analytics-js-service-worker/dist/npm/modern/umd/index.js'),
};
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.mjs': 'text/javascript' };

function versions() {
  const { dependencies } = JSON.parse(fs.readFileSync(path.join(__dirname, 'package.json')));
  const installed = (name) => JSON.parse(fs.readFileSync(path.join(process.env.NODE_PATH, name, 'package.json'))).version;
  return Object.fromEntries(Object.keys(dependencies).map((name) => [name, installed(name)]));
}

function serve(request, response) {
  const name = new URL(request.url, 'http://page').pathname;
  const file = FILES[name] ?? path.join(PAGES, path.basename(name));
  if (!fs.existsSync(file)) return response.writeHead(404).end();
  response.writeHead(200, { 'content-type': TYPES[path.extname(file)] ?? 'application/octet-stream' });
  return response.end(fs.readFileSync(file));
}

async function visit(context, origin, { page: name, query, click, leave }) {
  const requests = [];
  const console = [];
  const page = await context.newPage();
  const note = (request, status) => {
    if (!request.url().startsWith(origin)) requests.push({ method: request.method(), url: request.url(), status });
  };
  page.on('response', (response) => note(response.request(), response.status()));
  page.on('requestfailed', (request) => note(request, 0));
  page.on('console', (message) => console.push(message.text()));
  page.on('pageerror', (error) => console.push(String(error)));
  await page.goto(`${origin}/${name}?${new URLSearchParams(query)}`);
  await page.waitForFunction('window.sent', null, { timeout: 60000 });
  if (click) {
    await page.click(click);
    const folder = process.env.WEIR_SCREENSHOTS;
    if (folder) await page.screenshot({ path: path.join(folder, name.replace('.html', '.png')) });
  }
  if (leave) await page.close({ runBeforeUnload: true });
  return { requests, console };
}

async function main() {
  const server = http.createServer(serve).listen(0, '127.0.0.1');
  await new Promise((listening) => server.once('listening', listening));
  const origin = `http://127.0.0.1:${server.address().port}`;
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: FLAGS });
  process.stdout.write(`${JSON.stringify({ origin, versions: versions() })}\n`);
  const profiles = new Map();
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const wanted = JSON.parse(line);
    if (!profiles.has(wanted.profile)) {
      profiles.set(wanted.profile, await browser.newContext({ viewport: { width: 800, height: 450 } }));
    }
    const answer = await visit(profiles.get(wanted.profile), origin, wanted)
      .catch((error) => ({ error: String(error) }));
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  await browser.close();
  server.close();
}

main();

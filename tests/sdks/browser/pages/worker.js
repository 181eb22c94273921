// A service worker that sends when its page asks it to.
importScripts('/service-worker-sdk.js');
const asked = Object.fromEntries(new URLSearchParams(location.search));
const client = new rudderServiceWorker.Analytics(asked.key, asked.weir, { flushAt: 5 });

addEventListener('message', (message) => {
  const userId = 'u-ada';
  const sent = () => message.source.postMessage('sent');
  if ('text' in asked) {
    // The first one goes at once.
    client.track({ userId, event: 'Ticket Closure', properties: { n: 0, text: 'x'.repeat(asked.text) } });
    sent();
    return;
  }
  client.page({ userId, name: 'Pricing', category: 'Docs', properties: { plan: 'gold' } });
  client.identify({ userId, traits: { email: 'Ada@Example.com', name: 'Ada Lovelace', plan: 'gold' } });
  client.group({
    userId, groupId: 'g-acme', traits: { name: 'Acme Größe GmbH', employees: '250', tier: 'A' },
    context: { traits: { email: 'ada@example.com' } },
  });
  client.track({
    userId, event: 'Ticket Closure',
    properties: { ticketId: 'T-1', rating: 1, tags: ['résumé', 7], agent: { name: 'Joan' } },
  });
  client.alias({ userId, previousId: 'a-7' });
  client.flush(sent);
});

// What every page sends. `asked` is what the page was asked for: the gateway, the key, the mode.
const asked = Object.fromEntries(new URLSearchParams(location.search));
// What a page may bring itself, instead of asking Weir for it.
const own = { source: { id: 'own', config: {}, destinations: [] } };

function sent(analytics) {
  window.sent = asked.wait === 'no';
  analytics.ready(() => {
    window.sent = true;
  });
}

// The one call of a page that is asked for so large a text.
const one = 'text' in asked && ['Ticket Closure', { n: 0, text: 'x'.repeat(asked.text) }];

function calls(analytics) {
  sent(analytics);
  if (one) return analytics.track(...one);
  analytics.page('Docs', 'Pricing', { plan: 'gold' });
  analytics.identify('u-ada', { email: 'Ada@Example.com', name: 'Ada Lovelace', plan: 'gold', nothing: null });
  analytics.group('g-acme', { name: 'Acme Größe GmbH', employees: '250', tier: 'A' });
  analytics.track('Ticket Closure', { ticketId: 'T-1', rating: 1, tags: ['résumé', 7], agent: { name: 'Joan' } });
  analytics.alias('u-ada', 'a-7');
}

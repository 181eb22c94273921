//! Two gateways behind a balancer, restarted one after the other under load.

use std::net::SocketAddr;
use std::time::Instant;

use crate::bench::{Bench, Outcome, Way};
use crate::dice::Dice;
use crate::harness::weir::Weir;
use crate::proxy::Proxy;

/// A rolling restart.
pub fn restart(bench: &mut Bench, _: &mut Dice) -> Outcome {
    bench.cycle(Way::Straight, |bench| {
        let mut other = bench.another_weir();
        let balancer = Proxy::balancer(vec![address(&bench.weir), address(&other)]);
        // Between gateways no order is promised: each connection has keys of its own, and what one holds has to
        // arrive before another gets the next.
        bench.rest();
        bench.clients.change_keys(true);
        bench.clients.redirect(&balancer.address.to_string());
        bench.clients.resume();
        bench.clients.advance(2);

        bench.weir.stop();
        bench.clients.advance(1);
        bench.start_weir();
        // As a balancer that looks whether they are ready would.
        bench.await_ready();
        balancer.aim(vec![address(&bench.weir), address(&other)]);
        other.stop();
        let over = Instant::now();
        bench.clients.advance(1);

        // Nothing may wait on the one that goes for good.
        bench.rest();
        bench.clients.redirect(bench.weir.url());
        bench.clients.change_keys(false);
        bench.clients.resume();
        over
    })
}

fn address(weir: &Weir) -> SocketAddr {
    weir.url().trim_start_matches("http://").parse().expect("an address")
}

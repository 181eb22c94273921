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
        // Between gateways no order is promised: each connection has keys of its own.
        bench.clients.change_keys(true);
        let mut other = bench.another_weir();
        let balancer = Proxy::balancer(vec![address(&bench.weir), address(&other)]);
        bench.clients.redirect(&balancer.address.to_string());
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
        bench.clients.redirect(bench.weir.url());
        bench.clients.change_keys(false);
        bench.clients.advance(1);
        bench.await_delivery();
        over
    })
}

fn address(weir: &Weir) -> SocketAddr {
    weir.url().trim_start_matches("http://").parse().expect("an address")
}

//! Two gateways behind a balancer, restarted one after the other under load.

use std::net::SocketAddr;
use std::time::Instant;

use crate::bench::{Bench, Outcome, Way};
use crate::dice::Dice;
use crate::harness::wait_for;
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

        stop(&mut bench.weir);
        bench.clients.advance(1);
        bench.start_weir();
        // As a balancer that looks whether they are ready would.
        bench.await_ready();
        balancer.aim(vec![address(&bench.weir), address(&other)]);
        stop(&mut other);
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

/// Stops a gateway that holds nothing: the first request of a connection still has the keys of the one before it.
fn stop(weir: &mut Weir) {
    wait_for("an empty spool", || (weir.metric("weir_spool_records") == 0.0).then_some(()));
    weir.stop();
}

fn address(weir: &Weir) -> SocketAddr {
    weir.url().trim_start_matches("http://").parse().expect("an address")
}

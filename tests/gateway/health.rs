//! `weir health`: what a container's health check asks.

use std::path::Path;

use crate::harness::weir::{Weir, command, config};

/// Exit code and words of `weir health` on this data folder.
fn health(data: &Path) -> (Option<i32>, String) {
    let output = command(&["health"]).env("WEIR_DATA", data).output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn a_weir_that_is_ready_is_healthy_until_it_has_gone() {
    let mut weir = Weir::standard();
    let data = weir.data().to_owned();
    assert_eq!(health(&data), (Some(0), "ready\n".to_owned()));
    weir.stop();
    let (code, said) = health(&data);
    assert!(code == Some(1) && said.contains("no Weir is running on "), "{said}");
}

#[test]
fn a_weir_that_was_killed_is_not_healthy() {
    let mut weir = Weir::standard();
    weir.kill();
    let (code, said) = health(weir.data());
    assert!(code == Some(1) && said.contains("Weir does not answer at 127.0.0.1:"), "{said}");
}

#[test]
fn a_weir_that_can_store_nothing_is_not_healthy() {
    let weir = Weir::with_config(&config("[queue]\nfree_bytes = 1_000_000_000_000_000\n"));
    let (code, said) = health(weir.data());
    assert_eq!((code, &*said), (Some(1), "Weir runs, but is not ready; its log says why\n"));
}

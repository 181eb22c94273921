//! The kept inputs of the fuzz targets, through the same properties: what was found once stays found, without a fuzzer.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a property that does not hold panics, behind the name of its input"
)]

use std::fs;
use std::path::Path;

#[path = "src/lib.rs"]
#[expect(dead_code, reason = "what is kept is held whole, never sampled")]
mod properties;

/// Calls `holds` with each kept input of `target`.
#[track_caller]
fn replay(target: &str, holds: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no input of {target} is kept");
    let mut bytes = 0;
    for path in &paths {
        // What stands last when it fails.
        println!("{}", path.display());
        let input = fs::read(path).unwrap();
        bytes += input.len();
        holds(&input);
    }
    assert!(paths.len() <= 200 && bytes <= 300 << 10, "{} files, {bytes} bytes", paths.len());
}

#[test]
fn the_records_of_every_kept_body_are_sound_and_its_events_counted() {
    replay("body", properties::body::holds);
}

#[test]
fn the_records_of_every_kept_gainsight_call_are_sound_and_what_is_told_is_what_was_done() {
    replay("gainsight_body", properties::gainsight_body::holds);
}

#[test]
fn every_kept_time_is_written_as_the_same_instant_in_rfc_3339() {
    replay("times", properties::times::holds);
}

#[test]
fn every_kept_body_is_inflated_the_same_in_any_pieces_and_within_its_memory() {
    replay("inflate", properties::inflate::holds);
}

#[test]
fn every_kept_pixel_becomes_one_event_of_its_type_without_its_key() {
    replay("pixel", properties::pixel::holds);
}

#[test]
fn every_kept_segment_is_read_but_for_what_is_damaged() {
    replay("journal_frames", properties::journal_frames::holds);
}

#[test]
fn every_kept_signature_is_verified_exactly_where_it_is_right() {
    replay("signatures", properties::signatures::holds);
}

#[test]
fn every_kept_export_becomes_a_configuration_that_weir_takes_without_a_secret() {
    replay("import_destination", properties::import_destination::holds);
}

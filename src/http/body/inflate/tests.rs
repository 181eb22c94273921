//! Each encoding read in any pieces, refused when it is broken, and stopped at its limit.

use std::io::Write;

use actix_web::web::Bytes;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;
use zstd_safe::{CCtx, CParameter};

use super::super::sink::Sink;
use super::*;
use crate::intake::budget::Budget;

const ALL: [Encoding; 3] = [Encoding::Gzip, Encoding::Deflate, Encoding::Zstd];

/// `plain` in each way that `encoding` has.
fn compressed(encoding: Encoding, plain: &[u8]) -> Vec<Vec<u8>> {
    let level = Compression::default();
    match encoding {
        Encoding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), level);
            encoder.write_all(plain).unwrap();
            vec![encoder.finish().unwrap()]
        }
        Encoding::Deflate => {
            let mut zlib = ZlibEncoder::new(Vec::new(), level);
            zlib.write_all(plain).unwrap();
            let mut bare = DeflateEncoder::new(Vec::new(), level);
            bare.write_all(plain).unwrap();
            vec![zlib.finish().unwrap(), bare.finish().unwrap()]
        }
        _ => vec![zstd(plain, 20)],
    }
}

/// As a stream whose length is not known, or its frame would ask for no larger window than that; with a checksum.
fn zstd(plain: &[u8], window: u32) -> Vec<u8> {
    let mut context = CCtx::create();
    for parameter in [CParameter::ChecksumFlag(true), CParameter::WindowLog(window)] {
        context.set_parameter(parameter).unwrap();
    }
    let mut out = vec![0; plain.len() + 1_000];
    let mut output = OutBuffer::around(&mut out[..]);
    let mut input = InBuffer::around(plain);
    while input.pos() < plain.len() {
        context.compress_stream(&mut output, &mut input).unwrap();
    }
    assert_eq!(context.end_stream(&mut output), Ok(0));
    let length = output.pos();
    out.truncate(length);
    out
}

fn inflate(
    encoding: Encoding,
    body: &[u8],
    (limit, room): (usize, usize),
    chunk: usize,
) -> Result<Vec<u8>, BodyError> {
    let budget = Budget::new(room);
    let mut sink = Sink::new(encoding, limit, budget.lease(0).unwrap());
    for chunk in body.chunks(chunk) {
        sink.take(Bytes::copy_from_slice(chunk))?;
    }
    let body = sink.finish()?;
    assert!(budget.used() >= body.bytes.len());
    Ok(body.bytes.to_vec())
}

const PLENTY: (usize, usize) = (1_000_000, 100_000_000);

#[test]
fn every_encoding_is_inflated_in_any_chunks() {
    let json = format!("{{\"a\":[{}1]}}", "12345,".repeat(20_000)).into_bytes();
    for encoding in ALL {
        for body in compressed(encoding, &json) {
            for chunk in [1, 2, 7, 1_000, 1_000_000] {
                let inflated = inflate(encoding, &body, PLENTY, chunk).unwrap();
                assert!(inflated == json, "{encoding:?} in chunks of {chunk}");
            }
        }
        for body in compressed(encoding, b"") {
            assert_eq!(inflate(encoding, &body, PLENTY, 3).unwrap(), b"", "{encoding:?}");
        }
    }
}

#[test]
fn a_body_may_have_several_members_or_frames() {
    for encoding in [Encoding::Gzip, Encoding::Zstd] {
        let body = [&compressed(encoding, b"{\"a\":")[0][..], &compressed(encoding, b"1}")[0]].concat();
        for chunk in [1, 7, 1_000] {
            assert_eq!(inflate(encoding, &body, PLENTY, chunk).unwrap(), b"{\"a\":1}", "{encoding:?}");
        }
    }
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let zeros = vec![b' '; 10_000_000];
    for encoding in ALL {
        for bomb in compressed(encoding, &zeros) {
            assert!(bomb.len() < 20_000, "{encoding:?}");
            let inflate = |limit, room| inflate(encoding, &bomb, (limit, room), 512);
            assert_eq!(inflate(100_000, usize::MAX), Err(BodyError::TooLarge), "{encoding:?}");
            assert_eq!(inflate(100_000_000, 1_000_000), Err(BodyError::NoRoom), "{encoding:?}");
            assert_eq!(inflate(bomb.len() - 1, usize::MAX), Err(BodyError::TooLarge), "{encoding:?}");
        }
    }
}

#[test]
fn what_is_broken_cut_or_followed_by_more_is_unreadable() {
    for encoding in ALL {
        for (way, whole) in
            compressed(encoding, b"some text that is compressed, some text").iter().enumerate()
        {
            let cut = |bytes: usize| whole[..whole.len() - bytes].to_vec();
            let mut broken = vec![cut(1), cut(3), cut(whole.len() - 1), b"plain".to_vec(), Vec::new()];
            broken.push([whole.as_slice(), b"junk"].concat());
            // A bare stream has no checksum.
            if (encoding, way) != (Encoding::Deflate, 1) {
                let mut wrong_checksum = whole.clone();
                let at = if encoding == Encoding::Gzip { whole.len() - 6 } else { whole.len() - 2 };
                wrong_checksum[at] ^= 1;
                broken.push(wrong_checksum);
            }
            for body in broken {
                for chunk in [5, 1_000] {
                    let inflated = inflate(encoding, &body, PLENTY, chunk);
                    assert_eq!(inflated, Err(BodyError::Unreadable), "{encoding:?} {body:?}");
                }
            }
        }
    }
}

#[test]
fn a_frame_of_zstandard_gets_no_larger_window_than_the_web_allows_and_its_window_is_leased() {
    let plain: Vec<u8> =
        (0..40_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let [widest, wider] = [23, 24].map(|window| zstd(&plain, window));
    assert!(inflate(Encoding::Zstd, &widest, PLENTY, 1_000).unwrap() == plain);
    assert_eq!(inflate(Encoding::Zstd, &wider, PLENTY, 1_000), Err(BodyError::Unreadable));
    let without_the_window = (PLENTY.0, 8_000_000);
    assert_eq!(inflate(Encoding::Zstd, &widest, without_the_window, 1_000), Err(BodyError::NoRoom));
}

proptest! {
    #[test]
    fn whatever_was_done_to_a_body_it_ends_within_its_limit_and_gives_its_memory_back(
        plain in proptest::collection::vec(any::<u8>(), 0..400),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
        chunk in 1..64_usize,
    ) {
        for encoding in ALL {
            for mut body in compressed(encoding, &plain.repeat(20)) {
                for (index, byte) in &changes {
                    *index.get_mut(&mut body) = *byte;
                }
                let budget = Budget::new(10_000_000);
                let mut sink = Sink::new(encoding, 5_000, budget.lease(0).unwrap());
                let taken = body.chunks(chunk).try_for_each(|chunk| sink.take(Bytes::copy_from_slice(chunk)));
                let inflated = taken.and_then(|()| sink.finish());
                if let Ok(body) = &inflated {
                    prop_assert!(body.bytes.len() <= 5_000 && budget.used() >= body.bytes.len());
                }
                drop(inflated);
                prop_assert_eq!(budget.used(), 0);
            }
        }
    }
}

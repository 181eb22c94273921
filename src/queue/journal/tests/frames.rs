//! Frames as pure functions.

use proptest::prelude::*;

use super::super::frame::{HEADER, Look, MAX_SEQ, decode, encode, look, number, size};
use super::*;

fn frames(records: &Records, first: u64) -> Vec<u8> {
    let mut frames = encode(records.iter(), size(records.iter()).unwrap());
    number(&mut frames, first);
    frames
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded_again(
        received_ms in any::<i64>(),
        first in 0..MAX_SEQ - 10,
        parts in prop::collection::vec((any::<Option<Vec<u8>>>(), any::<Vec<u8>>(), any::<Vec<u8>>()), 0..5),
    ) {
        let mut records = Records::new(received_ms);
        for (key, id, value) in &parts {
            let mut draft = records.draft(Kind::Person, TopicId::of(TOPICS[1]));
            if let Some(key) = key {
                draft.key(&[key]);
            }
            draft.header(Header::Id, &[id]);
            draft.value(|out| out.extend_from_slice(value));
        }
        let bytes = frames(&records, first);
        prop_assert_eq!(Some(bytes.len()), size(records.iter()));
        let mut rest = bytes.as_slice();
        for (i, record) in records.iter().enumerate() {
            let Look::Frame { seq, len } = look(rest, &(0..MAX_SEQ)) else { panic!("no frame") };
            prop_assert_eq!(seq, first + i as u64);
            let body = decode(&rest[HEADER..HEADER + len]).unwrap();
            prop_assert_eq!(body.received_ms, received_ms);
            prop_assert_eq!(body.topic, b"weir.companies");
            prop_assert_eq!(body.key, record.key());
            prop_assert_eq!(body.key_hash, record.key().map_or(0, crc32c::crc32c));
            let headers: Vec<_> = record.headers().map(|(name, value)| (name.as_bytes(), value)).collect();
            prop_assert_eq!(body.headers, headers);
            prop_assert_eq!(body.value, record.value());
            rest = &rest[HEADER + len..];
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn no_bytes_bring_the_decoder_down(bytes in any::<Vec<u8>>()) {
        let _ = decode(&bytes);
        let _ = look(&bytes, &(0..MAX_SEQ));
        let mut bytes = bytes;
        number(&mut bytes, 0);
    }
}

#[test]
fn no_flipped_bit_and_no_missing_byte_goes_unseen() {
    let intact = frames(&records(&["{}"]), 5);
    assert!(matches!(look(&intact, &(5..6)), Look::Frame { seq: 5, .. }));
    for bit in 0..intact.len() * 8 {
        let mut flipped = intact.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!matches!(look(&flipped, &(0..MAX_SEQ)), Look::Frame { .. }), "bit {bit}");
    }
    for len in 0..intact.len() {
        assert_eq!(look(&intact[..len], &(0..MAX_SEQ)), Look::Short);
    }
}

#[test]
fn a_frame_with_a_number_of_another_place_is_none() {
    let frame = frames(&records(&["{}"]), 5);
    assert_eq!(look(&frame, &(6..10)), Look::Bad);
    assert_eq!(look(&frame, &(0..5)), Look::Bad);
    assert_eq!(look(&[0; 64], &(0..MAX_SEQ)), Look::Bad, "a file's tail of zeros");
}

#[test]
fn a_record_too_large_for_a_frame_has_no_size() {
    let mut records = Records::new(0);
    records.draft(Kind::Event, TopicId::of(TOPICS[0])).value(|out| out.resize(16 << 20, b' '));
    assert_eq!(size(records.iter()), None);
}

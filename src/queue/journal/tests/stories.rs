//! Stories that once ended badly, told with a failure at every step of theirs.

use super::model::Operation::{self, Close, Commit, Fail, Kill, LosePower, Nudge, Peek, Put, Read};
use super::model::World;

/// The journal's first process lives.
const LIVES: usize = usize::MAX;
const ALL: usize = usize::MAX;

fn put() -> Operation {
    Put(vec![vec![0, 0]])
}

#[test]
fn directories_whose_maker_was_killed_are_made_durable_by_the_next_start() {
    for (killed_after, seed) in (0..12).flat_map(|calls| (0..8).map(move |seed| (calls, seed))) {
        World::new(false, killed_after).run(vec![put(), LosePower { after: vec![0], seed }]);
    }
}

#[test]
fn a_position_whose_keeper_was_killed_is_made_durable_by_the_next_one() {
    for (after, seed) in (0..8).flat_map(|calls| (0..8).map(move |seed| (calls, seed))) {
        World::new(true, LIVES).run(vec![
            put(),
            Read { who: 0, most: 1 },
            Kill { whom: Some(0), after },
            Commit { who: 0 },
            Commit { who: 0 },
            LosePower { after: vec![0], seed },
        ]);
    }
}

#[test]
fn a_position_that_only_memory_knows_costs_no_segment() {
    for (after, seed) in (0..8).flat_map(|calls| (0..8).map(move |seed| (calls, seed))) {
        let mut story = vec![Put(vec![vec![399; 3]; 6])];
        story.extend([0, 1].map(|who| Read { who, most: ALL }));
        story.extend([Commit { who: 1 }, Kill { whom: Some(0), after }, Commit { who: 0 }]);
        story.extend([Nudge, LosePower { after: vec![0], seed }]);
        World::new(true, LIVES).run(story);
    }
}

#[test]
fn a_reader_of_records_that_were_taken_back_reads_what_gets_their_numbers() {
    for (after, calls) in (0..8).flat_map(|after| (1..3).map(move |calls| (after, calls))) {
        for (end, whom) in [(Close, None), (Kill { whom: None, after: 0 }, None), (Close, Some(0))] {
            World::new(true, LIVES).run(vec![
                put(),
                Peek { who: 0 },
                Fail { whom: None, after, calls },
                put(),
                end,
                Commit { who: 0 },
                put(),
                // Where it is killed, it goes on from what it has committed.
                Kill { whom, after: if whom.is_some() { 0 } else { ALL } },
                Read { who: 0, most: ALL },
            ]);
        }
    }
}

#[test]
fn a_number_that_only_an_empty_segment_bears_does_not_come_again() {
    for after in 0..8 {
        World::new(true, LIVES).run(vec![
            Peek { who: 0 },
            Kill { whom: None, after },
            put(),
            Close,
            Commit { who: 0 },
            put(),
            Read { who: 0, most: ALL },
        ]);
    }
}

#[test]
fn a_reader_of_a_segment_whose_making_failed_goes_on_to_the_next() {
    for (after, calls) in (0..5).flat_map(|after| (1..5).map(move |calls| (after, calls))) {
        World::new(false, LIVES).run(vec![
            Fail { whom: None, after, calls },
            put(),
            Kill { whom: None, after: 4 },
            Read { who: 0, most: 1 },
            Close,
            put(),
            Read { who: 0, most: ALL },
        ]);
    }
}

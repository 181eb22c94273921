//! Where requests, replays and jobs hand over their records: what they share, the memory that bodies may take, and
//! the way into the queue.

pub mod app;
pub mod budget;

//! Measures Weir: what its binaries share.
//!
//! `load` sends: [`traffic`] prepares the requests, [`connection`] is one keep-alive HTTP/1.1 connection,
//! [`generator`] drives them in a closed or an open loop, [`process`] reads what the server used, and
//! [`report`] is what came of it. Every event that was answered 200 goes down in [`acknowledged`]; `verify`
//! holds that against what [`delivered`] finds on the queue. `bare` and `reference` are the servers to
//! compare with; [`server`] is what those two share. `table` turns reports into a page ([`table`]), with
//! what they shall reach ([`targets`]).
//!
//! `counts` stands apart: the instructions an event costs, for tests/counts/run ([`counts`]).

pub mod acknowledged;
pub mod connection;
pub mod counts;
pub mod delivered;
pub mod generator;
pub mod process;
pub mod report;
pub mod server;
pub mod table;
pub mod targets;
pub mod traffic;

//! Weir receives customer-success events over HTTP and puts durable, Gainsight-shaped records on a queue.
//!
//! # The way of one event
//!
//! A client posts to `/v1/identify`. [`http::server`] accepts the connection and passes every request to one
//! dispatcher, which looks up the path in [`http::routes`]. An event route goes to [`http::events`], whose code
//! follows these steps:
//!
//! 1. **Who is it, and may it send?** The access key ([`http::credentials`]) leads to a source in [`tenants`]. An
//!    unknown key, a wrong shared secret ([`http::proof`]), a disabled source or a full queue is answered before the
//!    body is read.
//! 2. **The body.** [`http::body`] reads it within its deadlines and inflates it as it arrives, against the memory
//!    that all requests share ([`intake::budget`]). A signature is checked on the way.
//! 3. **What is in it?** [`pipeline`] turns the body into records, without I/O: it splits the body into events
//!    ([`event`]: borrowed slices, no tree), validates them, and maps them ([`mapping`]: tables of fields and
//!    RudderStack's rules) to records ([`record`]: spans of one buffer). An event that can't be mapped becomes a
//!    record in quarantine, with its reason ([`pipeline::quarantine`]).
//! 4. **Durable.** [`intake`] hands the records to the [`queue`], which takes all of them or none and resolves one
//!    receipt when the last is durable: on the embedded [`queue::journal`] or on [`queue::kafka`].
//! 5. **The answer.** [`http::response`] is the table of what clients are told. Only now is each event counted, once
//!    ([`pipeline::tally`], [`observe::metrics`]).
//!
//! Between the socket and the queue there is no channel, no background task and no lock.
//!
//! RudderStack's Gainsight destination takes the same way through [`http::gainsight`], where Weir stands in for
//! Gainsight: other names, other answers, and a publisher's secret in place of an access key.
//!
//! # The rooms
//!
//! Imports point upward in this list, never downward; `tests/layers.rs` enforces it.
//!
//! | room | owns |
//! |---|---|
//! | [`system`] | files and threads, as the operating system has them |
//! | [`event`] | one call: its text, envelope, identity, time; why an event is rejected and how it may end |
//! | [`admission`] | access keys, shared secrets, signatures |
//! | [`record`] | what goes on the queue, and its topics |
//! | [`tenants`] | who may send, and what is mapped how |
//! | [`config`] | the configuration as data, and how it is read |
//! | [`observe`] | metrics and logs |
//! | [`mapping`] | from an event's traits to a record's fields |
//! | [`queue`] | where records become durable, and how they are read back |
//! | [`pipeline`] | from a body to records and an answer, without I/O |
//! | [`intake`] | where requests and replays meet the queue |
//! | [`http`] | listeners, routes, bodies, answers, TLS |
//! | [`operate`] | what operators do to a running Weir: read the quarantine, replay it |
//! | [`setup`] | what a configuration means: checks, warnings, the tenants, the first start |
//! | [`cli`] | the commands |

pub mod admission;
pub mod cli;
pub mod config;
pub mod event;
pub mod http;
pub mod intake;
pub mod mapping;
pub mod observe;
pub mod operate;
pub mod pipeline;
pub mod queue;
pub mod record;
pub mod setup;
pub mod system;
pub mod tenants;

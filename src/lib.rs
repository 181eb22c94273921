//! Weir receives customer-success events over HTTP and puts durable, Gainsight-shaped records on a queue.
//!
//! # The way of one event
//!
//! A client posts to `/v1/identify`. [`http::server`] accepts the connection and passes every request to one
//! dispatcher, which looks up the path in [`http::routes`], calls what answers there, and turns the answer into a
//! response. An event route is answered by [`http::events`], in four steps:
//!
//! 1. **Admit: who is it, and may it send?** The access key ([`http::credentials`]) leads to a source in
//!    [`tenants`]. An unknown key, a wrong shared secret ([`http::proof`]), a disabled source, a body that is too
//!    large or finds no memory ([`intake::budget`]) and a queue that takes nothing now are refused before the body
//!    is read. A request that shows neither key nor secret may have its key in the body; its source is found after
//!    step 2.
//! 2. **Receive: the body.** [`http::body`] reads it within its deadlines and inflates it as it arrives. A
//!    signature sees the bytes as they come, and is verified at the end.
//! 3. **Submit: from the body to the queue.** [`pipeline`] turns the body into records, and touches neither disk
//!    nor network: it decodes and splits the body into events ([`event`]: borrowed slices, no tree), charges them to
//!    their source's rate ([`admission::rate`]), validates them, and maps them ([`mapping`]: tables of fields and
//!    RudderStack's rules; an identify by [`mapping::person`]) to records ([`record`]: spans of one buffer). An event
//!    that can't be mapped becomes a record in quarantine, with its reason ([`pipeline::quarantine`]).
//!    [`intake::submit`] hands the records to the [`queue`], which takes all of them or none.
//! 4. **Answer: durable.** The queue resolves one receipt when the last record is durable: on the embedded
//!    [`queue::journal`], or on [`queue::kafka`] with [`queue::spool`] behind it. Only then are the events counted,
//!    each once ([`pipeline::tally`], [`observe::metrics`]), and answered. If the records do not become durable in
//!    time, the events count as refused, and the client gets 503. [`http::response`] is the table of what clients
//!    are told.
//!
//! A request runs in one task until its records are handed over; locks, channels and threads belong to the queue.
//! Requests share [`intake::app`], and each reads the tenants and limits once, from [`intake::snapshot`]; a changed
//! configuration ([`setup::reload`]) replaces that for those that come later.
//!
//! Behind the queue, a [`loader`] reads the records and loads them into the [`store`], rows that one can ask in SQL:
//! [`store::load`] says what a record asks for, [`store::row`] who wins. It shares nothing with requests but the disk.
//!
//! RudderStack's Gainsight destination takes the same way through [`http::gainsight`], where Weir stands in for
//! Gainsight: other names and other answers. People and companies come with an access key, events with a
//! publisher's secret.
//!
//! # The rooms
//!
//! A room imports only rooms listed before it; `tests/layers.rs` enforces that.
//!
//! | room | owns |
//! |---|---|
//! | [`system`] | files and threads, as the operating system has them |
//! | [`event`] | one call: its text, envelope, identity, time; why an event is rejected and how it may end |
//! | [`admission`] | access keys, shared secrets, signatures, how much a sender may send |
//! | [`record`] | what goes on the queue, and its topics |
//! | [`tenants`] | who may send, and what is mapped how |
//! | [`config`] | the configuration as data, and how it is read |
//! | [`observe`] | metrics, logs and spans |
//! | [`mapping`] | from an event's traits to a record's fields |
//! | [`queue`] | where records become durable, and how they are read back |
//! | [`store`] | rows that can be asked in SQL: what a record changes in them, and their database |
//! | [`loader`] | from the queue to the store, batch by batch |
//! | [`gainsight`] | from the queue into Gainsight, within its limits |
//! | [`pipeline`] | from a body to records and an answer, without I/O |
//! | [`intake`] | where requests and replays meet the queue |
//! | [`connect`] | from other systems to the queue: connections, jobs, runs |
//! | [`http`] | listeners, routes, bodies, answers, TLS |
//! | [`operate`] | what operators do to a running Weir: read the quarantine, replay it |
//! | [`setup`] | what a configuration means: checks, warnings, the tenants, the first start |
//! | [`cli`] | the commands |

pub mod admission;
pub mod cli;
pub mod config;
pub mod connect;
pub mod event;
pub mod gainsight;
pub mod http;
pub mod intake;
pub mod loader;
pub mod mapping;
pub mod observe;
pub mod operate;
pub mod pipeline;
pub mod queue;
pub mod record;
pub mod setup;
pub mod store;
pub mod system;
pub mod tenants;
